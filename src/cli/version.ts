import { readFileSync } from "node:fs";

/** The package's version; src/cli and dist/cli stand equally deep below package.json. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
