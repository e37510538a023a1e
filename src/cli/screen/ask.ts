/** A question before something is gone for good; `--yes` stands for its answer. */

import { createInterface } from "node:readline/promises";
import { UsageError, type Values } from "../usage.ts";

export interface Asking {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** @throws UsageError where there is neither `--yes` nor somebody to ask */
export function requireYesOrTerminal({ yes }: Values, command: string): void {
  if (yes !== true && !(process.stdin.isTTY === true && process.stderr.isTTY === true))
    throw new UsageError("There is no terminal to ask on; --yes says that you mean it.", command);
}

/** What is typed in answer; "" also at the end of the input, which is none. stdout stays what a program can read. */
export async function answerTo(
  question: string,
  { input, output }: Asking = { input: process.stdin, output: process.stderr },
): Promise<string> {
  const lines = createInterface({ input, output });
  try {
    const closed = new Promise<undefined>((resolve) => {
      lines.once("close", () => resolve(undefined));
    });
    const answer = await Promise.race([lines.question(question), closed]);
    // Ctrl-D leaves the cursor behind the question.
    if (answer === undefined) output.write("\n");
    return answer?.trim() ?? "";
  } finally {
    lines.close();
  }
}
