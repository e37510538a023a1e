/** Events of the log as lines for people: when, which, what, of whom, and what else it says. */

import type { EventView } from "../../client/replies.ts";
import { clockTime, oneLine } from "../plain-text.ts";
import type { Colour, Paint } from "../screen/colours.ts";

const taskId = /^T\d+-[0-9a-z]{6}$/;
/** Told at the line's beginning, or settings that a person looks up elsewhere; --json has them all. */
const hidden = new Set([
  ...["seq", "at", "type", "task", "causes", "boot", "fence", "key", "title", "hosted", "limits"],
  ...["timeout_ms", "retry_limit", "backoff_ms", "max_turns", "on_failure", "ttl_ms"],
]);

/** Knows the tasks' names from the events that created them. */
export class EventLines {
  readonly #names = new Map<string, string>();
  readonly #paint: Paint;

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  /** Every event must pass here, shown or not, so that later ones name its task. */
  of(event: EventView): string {
    if (event.type === "task_created" && event.task !== undefined) {
      const name = event.title ?? event.key;
      if (typeof name === "string") this.#names.set(event.task, oneLine(name).slice(0, 60));
    }
    const fields = Object.entries(event)
      .filter(([name, value]) => !hidden.has(name) && value !== null)
      .map(([name, value]) => `${name} ${this.#value(name, value)}`);
    const parts = [
      this.#paint(clockTime(event.at), "dim"),
      this.#paint(`#${event.seq}`.padEnd(6), "dim"),
      this.#paint(event.type.padEnd(16), colourOf(event)),
      event.task === undefined ? "" : this.#named(event.task),
      fields.join(", "),
    ];
    return parts.filter(Boolean).join("  ");
  }

  #named(id: string): string {
    const name = this.#names.get(id);
    return name === undefined ? id : `${name} (${id})`;
  }

  #value(name: string, value: unknown): string {
    if (Array.isArray(value)) return `[${value.map((one) => this.#value(name, one)).join(", ")}]`;
    if (typeof value === "string") {
      if (name === "snapshot") return value.slice(0, 8);
      return taskId.test(value) ? this.#named(value) : oneLine(value).slice(0, 500);
    }
    if (name === "usage") return usageText(value as Partial<Usage>);
    if (typeof value === "number" && (name === "until" || name.endsWith("_at"))) return clockTime(value);
    return oneLine(JSON.stringify(value) ?? "").slice(0, 500);
  }
}

type Usage = Record<"input_tokens" | "output_tokens" | "cache_read_tokens", number>;

const usageText = ({ input_tokens = 0, output_tokens = 0, cache_read_tokens = 0 }: Partial<Usage>): string =>
  `${input_tokens} in (${cache_read_tokens} cached) and ${output_tokens} out`;

/** Whether an event is about a task: its own, or one that it names. */
export const isAbout = (event: EventView, task: string): boolean =>
  event.task === task ||
  Object.entries(event).some(
    ([name, value]) => name !== "causes" && (value === task || (Array.isArray(value) && value.includes(task))),
  );

/** `task_*`: stars and question marks as in a shell. */
export function globPattern(glob: string): RegExp {
  const text = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${text}$`);
}

function colourOf({ type, state, status, severity }: EventView): Colour | undefined {
  const word = String(state ?? status ?? severity ?? "");
  if (word === "failed" || severity === "error") return "red";
  if (word === "succeeded") return "green";
  if (type === "finding" || word === "cancelled" || word === "skipped" || type === "attempt_ended") return "yellow";
  return type === "task_started" ? "cyan" : undefined;
}
