/** A run in the middle of all that waits for somebody: open calls, messages, a context that was cut, a held prefix, costs. */

import type { RemoteTool } from "../../../src/contract/remote-tools.ts";
import type { SeatWork } from "../../../src/objects/seat-rpc.ts";
import { makeRun, type TestRun, value } from "./runs.ts";
import { nextTask } from "./seats.ts";

const usage = { input_tokens: 100, output_tokens: 10, cache_read_tokens: 0, cache_write_tokens: 90 };

const model = { model: "claude-sonnet-4-5" };

const shell: RemoteTool = {
  name: "shell",
  description: "Runs a command.",
  input_schema: '{ "type":"object" }',
  pool: "box",
  timeout_ms: 300_000,
  retries: { limit: 2 },
};

const user = (text: string) => JSON.stringify({ role: "user", content: text });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });

const seatOf = async (run: TestRun, nonce: string): Promise<SeatWork> =>
  (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;

/** Of its calls "c1" is leased and reported on, "c2" is ready; "cut" has messages that wait; "h1" to "h3" share a cold prefix. */
export async function busyRun(): Promise<TestRun> {
  const long = "Our office is in Oslo. ".repeat(4000);
  const messages = [user("first"), says("1"), user("second"), says("2"), user(long), says("3")];
  const run = await makeRun({
    tools: [shell],
    context: { format: "anthropic", model: "claude-sonnet-4-5", messages },
    limits: { pools: ["box"], usd: 1000, warm_ms: 60_000 },
  });
  await run.create({ key: "calls", instructions: "do it" });
  const caller = await seatOf(run, "a");
  const uses = ["c1", "c2"].map((id) => ({ type: "tool_use", id, name: "shell", input: { of: id } }));
  const calls = ["c1", "c2"].map((id) => ({ id, name: "shell", arguments: `{"of": "${id}"}` }));
  const reply = JSON.stringify({ role: "assistant", content: uses });
  await run.rpc.seatTurn(caller, { messages: [...caller.fork, reply], usage, model, calls }, undefined);
  await run.rpc.leaveSeat(caller, { kind: "wait" }, undefined);
  const kinds = ["tool_call"] as const;
  const [grant] = value(await run.rpc.leases({ pool: "box", worker: "w", max: 1, contextBytes: 1e6, kinds }));
  value(await run.rpc.renew(grant!, { message: "half way", fraction: 0.5 }));
  await run.create({ key: "cut", instructions: "do it", on_context_too_long: { last: 1 } });
  const cut = await seatOf(run, "b");
  value(await run.rpc.sendMessage("cut", '"hear  me"'));
  value(await run.rpc.sendMessage("cut", '"and me"'));
  const error = { code: "context_too_long", message: "400 too long." };
  await run.rpc.leaveSeat(cut, { kind: "too_long", error, usage, model }, undefined);
  await seatOf(run, "c");
  await run.create(...["h1", "h2", "h3"].map((key) => ({ key, instructions: key, model: "claude-haiku-4-5" })));
  await seatOf(run, "d");
  return run;
}
