/** A paused run starts nothing, and a wait for it never ends by itself: displays and waits say so, and what ends the pause. */

import type { RunView } from "../../client/replies.ts";
import { dateTime, oneLine } from "../plain-text.ts";

type Paused = Pick<RunView, "id" | "status" | "reason"> & Partial<Pick<RunView, "quota" | "limits">>;

/** When a paused run goes on, or the command that makes it; "" for one that is not paused. */
export function goesOnText({ id, status, reason, quota, limits }: Paused): string {
  if (status !== "paused") return "";
  if (quota)
    return `by itself at ${dateTime(quota.until)}, or when the tenant's quota ${quota.name} is above ${quota.limit}: heddle quotas`;
  if (reason !== "budget") return `heddle resume ${id}`;
  // A run that is bound by dollars alone does not go on for more tokens.
  const isMoney = (limits?.tokens ?? null) === null && (limits?.usd ?? null) !== null;
  return `with a larger budget: heddle budget ${id} ${isMoney ? "--usd" : "--tokens"} N`;
}

/** Says of each pause once that it is there. */
export class Pauses {
  readonly #note: (text: string) => void;
  #said: string | undefined;

  constructor(note: (text: string) => void) {
    this.#note = note;
  }

  /** The run as it is now. */
  look(run: Paused): void {
    const goesOn = goesOnText(run);
    const text =
      goesOn === ""
        ? undefined
        : `The run is paused (${oneLine(run.reason ?? "asked")}). It goes on${goesOn.startsWith("heddle ") ? ":" : ""} ${goesOn}`;
    if (text !== undefined && text !== this.#said) this.#note(text);
    this.#said = text;
  }
}
