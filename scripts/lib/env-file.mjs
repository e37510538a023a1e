// Variables for the worker, in a file that only this user may read. wrangler reads it with dotenv, which takes several
// lines in quotes, and expands `$`.

import { writeFileSync } from "node:fs";
import { StopError } from "./stop-error.mjs";

export function writeEnvFile(path, variables) {
  writeFileSync(path, envFileText(variables), { mode: 0o600 });
}

/** @throws StopError for a value that the format can't hold */
export function envFileText(variables) {
  let text = "";
  for (const [name, value] of Object.entries(variables)) {
    const quote = ["'", '"', "`"].find((mark) => !value.includes(mark));
    if (quote === undefined || value.includes("\r") || (quote === '"' && /\\[nr]/.test(value))) {
      throw new StopError(
        `The value of ${name} holds characters that a variable file can't hold (carriage returns, or every kind of quote).`,
      );
    }
    text += `${name}=${quote}${value.replace(/\$/g, "\\$")}${quote}\n`;
  }
  return text;
}
