/** What people read about a task: what it waits for, what became of it. */

import type { ErrorView, TaskView } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { clockTime, manyLines, oneLine } from "../plain-text.ts";

export function waitingText({ waiting_on: on }: Pick<TaskView, "waiting_on">): string {
  if (on === null) return "";
  if ("tasks" in on)
    return `${on.mode === undefined ? "" : `${on.mode} of `}${on.tasks.join(", ")}${untilText(on.until)}`;
  if ("variables" in on)
    return `${on.op} ${oneLine(on.variables.join(", "))} since ${clockTime(on.since)}${untilText(on.until)}${on.question === undefined ? "" : `: question ${on.question}`}`;
  if ("backoff_until" in on) return `backoff until ${clockTime(on.backoff_until)}`;
  if ("fallback" in on) return `its fallback ${on.fallback}`;
  if ("availability" in on) return `${on.availability}, which takes no more now`;
  if ("cache_warming" in on) return `${on.cache_warming} to fill the cache`;
  if ("tools" in on) return on.tools.map(({ tool }) => tool).join(", ");
  return "children" in on ? `${on.children} of its tasks` : "budget";
}

const untilText = (until: number | undefined): string => (until === undefined ? "" : `, until ${clockTime(until)}`);

/** `code: message`, down its causes; `charsMax` of each message. */
export function errorLine(error: ErrorView | null, charsMax = Number.POSITIVE_INFINITY): string {
  const parts: string[] = [];
  for (let one = error; one && parts.length < 5; one = one.cause?.error ?? null)
    parts.push(`${one.code}: ${oneLine(one.message).slice(0, charsMax)}`);
  return parts.join(" < ");
}

/** `skipped because task b failed because task a was cancelled: code: message`; "" where no other task is to blame. */
export function causesText({ state, error }: Pick<TaskView, "state" | "error">): string {
  if (!error?.because) return "";
  let text = state as string;
  let last: ErrorView | undefined = error;
  for (let one: ErrorView | undefined = error; one; one = one.cause?.error) {
    last = one;
    if (one.because)
      text += ` because task ${oneLine(one.because.key ?? one.because.task)} ${became(one.because.state)}`;
  }
  return last === error || last.because ? text : `${text}: ${errorLine(last)}`;
}

const became = (state: TaskView["state"]): string =>
  state === "cancelled" || state === "skipped"
    ? `was ${state}`
    : state === "failed" || state === "succeeded"
      ? state
      : `is ${state}`;

/** Text as it is, anything else as JSON; without what could rewrite the screen. */
export const resultText = (result: unknown): string =>
  manyLines(typeof result === "string" ? result : JSON.stringify(result, null, 2));

/** `Bash: npm test, turn 7, 52,300 tokens so far`; "" where its worker tells nothing. */
export function progressText({ progress }: Pick<TaskView, "progress">): string {
  // A server of a version before knows of none.
  if (!progress) return "";
  const { message, fraction, turns, usage } = progress;
  const tokens = (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0);
  const parts = [
    message === undefined ? "" : oneLine(message),
    fraction === undefined ? "" : `${Math.round(fraction * 100)}%`,
    turns === undefined ? "" : `turn ${turns}`,
    tokens === 0 ? "" : `${tokens.toLocaleString("en-US")} tokens so far`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** From its first start, to its end or to now. */
export function tookText({ timings: { started_at, ended_at } }: TaskView): string {
  return started_at === null ? "" : duration((ended_at ?? Date.now()) - started_at);
}

/** As much of an error, a result or a wait as a table's cell can use. */
export function outcomeText(task: TaskView): string {
  const { error, result } = task;
  const text = error !== null ? errorLine(error) : result === null ? waitingText(task) || progressText(task) : result;
  return (typeof text === "string" ? text : JSON.stringify(text)).slice(0, 500);
}
