/**
 * Task bodies of the benchmark, named by the first word of a task's instructions; any other text is work for the agent.
 *
 *   timer MS ID [URL]   waits MS; with URL, tells the benchmark there that it ended, before its result is recorded
 *   sum ID              reads the whole context, sums every 64th character, appends 500 bytes in one turn
 */

import { leaseOf } from "../../src/agent/lease.ts";
import type { RunAttempt } from "../../src/agent/seat.ts";
import { materialise, runAttempt } from "../../src/agent/turn-loop.ts";
import type { SeatReply, SeatWork } from "../../src/objects/seat-rpc.ts";
import { filledResult } from "../lib/filled-result.ts";
import { sampleSum } from "../lib/sample-sum.ts";
import { lasts } from "./lasts.ts";

const noUsage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
/** What a fork of W6 appends. */
const appended = JSON.stringify({ role: "assistant", content: "a".repeat(466) });

export const attempt: RunAttempt = async (work, ports) => {
  const [body, ...words] = instructionsOf(work).split(" ");
  if (body === "timer") return timer(work, ports, words as [string, string, string?]);
  if (body === "sum") return sum(work, ports);
  return runAttempt(work, ports);
};

/**
 * Read off the message's JSON text as it stands, without undoing it: an agent hands it to its model so, and all of a benchmark's tasks would
 * pay for it on the thread that their scheduler runs on. Only the bodies above are read rightly.
 */
function instructionsOf({ fork }: SeatWork): string {
  const text = fork.at(-1) ?? "";
  const from = text.lastIndexOf(lineEnd);
  return from < 0 ? "" : text.slice(from + lineEnd.length, text.indexOf('"', from));
}

/** The end of the line before the instructions (context/fork-text.ts), as JSON has it. */
const lineEnd = " ---\\n";

async function timer(
  work: SeatWork,
  ports: Parameters<RunAttempt>[1],
  [ms, id, url]: [string, string, string?],
): Promise<SeatReply> {
  const t0 = Date.now();
  await lasts(Number(ms), t0);
  if (url !== undefined) await (await fetch(`${url}?id=${id}`, { method: "POST" })).arrayBuffer();
  const result = filledResult(Number(id), t0, Date.now());
  return ports.scheduler().leaveSeat(leaseOf(work), { kind: "end", ending: { kind: "result", result } }, ports.next());
}

async function sum(work: SeatWork, ports: Parameters<RunAttempt>[1]): Promise<SeatReply> {
  const messages = await materialise(work, ports);
  const turn = {
    messages: [...work.fork, appended],
    usage: noUsage,
    calls: [],
    ending: { kind: "result", result: { sum: sampleSum(messages.slice(0, work.baseCount)) } },
  } as const;
  return ports.scheduler().seatTurn(leaseOf(work), turn, ports.next());
}
