/** A run's progress on the screen: a block that is drawn again, plain lines, or JSON lines. */

import type { RunView, TaskView } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { plainProgressEveryMs } from "../../limits.ts";
import { oneLine } from "../plain-text.ts";
import { note, sayEvent } from "../screen/output.ts";
import { Terminal } from "../terminal.ts";
import { bar, countsText, endedOf, questionsText, totalOf } from "./counts.ts";

export interface Progress {
  /** The run as it is now, and some of the tasks that run. */
  show(run: RunView, running: readonly TaskView[]): void;
  note(text: string): void;
  close(): void;
}

export function progressOf(json: boolean): Progress {
  if (json) return jsonProgress();
  return process.stderr.isTTY ? liveProgress() : plainProgress();
}

function liveProgress(): Progress {
  const terminal = new Terminal(process.stderr);
  return {
    show(run, running) {
      const { counts } = run;
      const lines = [
        `${bar(counts, 30)} ${endedOf(counts)}/${totalOf(counts)}   ${duration(Date.now() - run.created_at)}   ${run.usage.tokens} tokens`,
        statusText(run),
      ];
      const asks = questionsText(run);
      if (asks !== "") lines.push(`questions: ${asks}`);
      for (const task of running)
        lines.push(`  ${named(task)}   ${duration(Date.now() - (task.timings.started_at ?? Date.now()))}`);
      terminal.draw(lines);
    },
    note: (text) => terminal.say(text),
    close: () => terminal.clear(),
  };
}

function plainProgress(): Progress {
  let last = "";
  let lastAt = 0;
  return {
    show(run) {
      const asks = questionsText(run);
      const text = `${statusText(run)}${asks === "" ? "" : `; questions: ${asks}`}`;
      if (text === last || Date.now() - lastAt < plainProgressEveryMs) return;
      note(`${duration(Date.now() - run.created_at)}: ${text}`);
      last = text;
      lastAt = Date.now();
    },
    note,
    close() {},
  };
}

function jsonProgress(): Progress {
  let last = "";
  return {
    show(run) {
      const fields = {
        run: run.id,
        status: run.status,
        reason: run.reason,
        counts: run.counts,
        tokens: run.usage.tokens,
        questions: run.questions ?? 0,
      };
      const text = JSON.stringify(fields);
      if (text !== last) sayEvent("progress", fields);
      last = text;
    },
    note: (text) => sayEvent("note", { text }),
    close() {},
  };
}

const statusText = (run: RunView): string =>
  run.status === "paused"
    ? `paused (${oneLine(run.reason ?? "by hand")}): ${countsText(run.counts)}`
    : countsText(run.counts);

export const named = (task: Pick<TaskView, "id" | "key" | "title">): string => {
  const name = task.title ?? task.key;
  return name === null ? task.id : `${oneLine(name).slice(0, 70)} (${task.id})`;
};
