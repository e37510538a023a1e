/**
 * The endpoint of the runs' tool `stamp`: it answers a word with a stamp that nothing else gets, so that each attempt at a call can be told
 * from the others, and writes down all of them.
 */

import type { History } from "../history.ts";
import { Flaky, type Sent } from "./flaky.ts";

interface Call {
  readonly tool: string;
  readonly run: string;
  readonly arguments: { readonly word: string };
}

export function startStamper(history: History, seed: number, secret: string): Promise<Flaky> {
  const keep = ({ id, text, signed }: Sent, isTaken: boolean) => {
    const { tool, run, arguments: args } = JSON.parse(text) as Call;
    const stamp = isTaken ? `${args.word} stamped ${history.stamped.length};` : null;
    history.stamp({ ...{ run, id, tool, text, signed, stamp }, word: args.word });
    return { result: { stamp } };
  };
  return Flaky.start(
    ...([seed, secret] as const),
    (sent) => keep(sent, true),
    (sent) => void keep(sent, false),
  );
}

const input_schema = { type: "object", properties: { word: { type: "string" } }, required: ["word"] };
const retries = { limit: 20 };

/** What runs declare: one of an endpoint, one of a pool's workers. */
export const toolsAt = (url: string) => [
  { name: "stamp", url, description: "Stamps a word.", input_schema, retries },
  { name: "press", pool: "box", description: "Stamps a word by hand.", input_schema, retries },
];
