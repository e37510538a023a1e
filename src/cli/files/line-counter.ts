/** How far a file has come, on stderr: a line that changes on a terminal, one now and then elsewhere. */

import { plainProgressEveryMs, watchEveryMs } from "../../limits.ts";
import { Terminal } from "../terminal.ts";

export interface LineCounter {
  show(count: number): void;
  close(): void;
}

export function lineCounter(what: string): LineCounter {
  const terminal = process.stderr.isTTY ? new Terminal(process.stderr) : undefined;
  const everyMs = terminal ? watchEveryMs : plainProgressEveryMs;
  let shownAt = Date.now();
  return {
    show(count) {
      if (Date.now() - shownAt < everyMs) return;
      shownAt = Date.now();
      const text = `${count} ${what}`;
      if (terminal) terminal.draw([text]);
      else process.stderr.write(`${text}\n`);
    },
    close: () => terminal?.clear(),
  };
}
