/** What a command that changed something says of it. */

import type { RunView, TaskView } from "../../client/replies.ts";
import { oneLine } from "../plain-text.ts";
import { colourOf } from "../screen/colours.ts";
import { paintOf, say } from "../screen/output.ts";

export function sayRunIs({ id, status, reason }: RunView): void {
  say(`${id} is ${paintOf()(status, colourOf(status))}${reason === null ? "" : ` (${oneLine(reason)})`}.`);
}

export function sayTaskIs({ id, key, state, generation }: TaskView): void {
  const name = key === null ? id : `${key} (${id})`;
  say(`${name} is ${paintOf()(state, colourOf(state))}${generation > 1 ? `, generation ${generation}` : ""}.`);
}
