/**
 * The consumer of the queue of dead letters: each ticket in it goes to the run that sent it.
 *
 * 1. A letter is acknowledged when its run has it, or when there is nobody whom it concerns: the run is unknown or deleted, or what
 *    came is no ticket. Nothing is made for it.
 * 2. Where a run does not answer, its letters stay in the queue, which delivers them again `max_retries` times, `retry_delay` apart
 *    (wrangler.toml), and then drops them. What is lost with them is a finding: the run sends its seats again by itself.
 */

import { sweepCallMs, sweepRunsAtOnce } from "../limits.ts";
import { within } from "../within.ts";
import { type Env, runStub } from "./env.ts";
import { isTicket, type SeatTicket } from "./seat-rpc.ts";

export async function takeDeadLetters(batch: MessageBatch<unknown>, env: Pick<Env, "RUNS">): Promise<void> {
  const letters = new Map<string, (Message<unknown> & { readonly body: SeatTicket })[]>();
  for (const message of batch.messages) {
    const { body } = message;
    if (!isTicket(body)) {
      console.error("a dead letter is no seat's", { message: message.id });
      message.ack();
      continue;
    }
    if (body.trace || body.webhook) {
      // No seat of a task's: its run sends a push that was lost again by itself.
      message.ack();
      continue;
    }
    const run = `${body.tenant}/${body.run}`;
    letters.set(run, [...(letters.get(run) ?? []), message as Message<unknown> & { readonly body: SeatTicket }]);
  }
  const runs = [...letters.values()];
  const lane = async () => {
    for (let group = runs.pop(); group; group = runs.pop()) {
      const { tenant, run } = group[0]!.body;
      try {
        const nonces = group.map(({ body }) => body.nonce);
        const reply = await within(sweepCallMs, runStub(env, tenant, run).deadSeats(nonces));
        if (!reply.ok && reply.fault.code !== "not_found") throw new Error(reply.fault.code);
        for (const message of group) message.ack();
      } catch (error) {
        console.error("dead letters were not taken", { run, error: String(error) });
        for (const message of group) message.retry();
      }
    }
  };
  await Promise.all(Array.from({ length: sweepRunsAtOnce }, lane));
}
