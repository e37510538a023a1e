/**
 * One op on a stored variable: the repeat's answer, the fence, the decision, its writes and its outcome, in the caller's
 * transaction.
 *
 * V3. A repeat of an op id gets the first outcome and changes nothing; another op of the same attempt under it is refused. Reads of a
 *     task are not kept: a repeated one reads again, since nobody has seen the first answer.
 * V5. A write with a token older than the newest one seen of that lock is refused, whatever else it says.
 */

import type { VariableStore } from "../../storage/variable/variable-store.ts";
import { decide, isRead } from "../../variables/index.ts";
import { type Answer, refuse } from "../../variables/kind.ts";
import type { Fence, VariableCall } from "../../variables/ops.ts";
import type { Idem, Reply } from "../rpc.ts";
import type { CarriedOut, OpId } from "../variable-rpc.ts";

const ok = (answer: Answer): Reply<CarriedOut> => ({ ok: true, value: { answer } });

export function carryOut(store: VariableStore, call: VariableCall, id: OpId, now: number): Reply<CarriedOut> {
  const first = firstAnswer(store, call, id);
  if (first) return first;
  const { task } = id;
  const owner = ownerOf(id);
  const kept = keptOf(store, call, id);
  if (task && kept.some((outcome) => outcome.turn > task.turn)) {
    return ok(refuse("stale_call", `The task is past turn ${task.turn}.`).answer);
  }
  const done = decideAndWrite(store, call);
  const { answer } = done;
  if (task && !isRead(call)) {
    // The first slot that does not hold another call of this very turn.
    const slot = kept.filter((outcome) => outcome.turn === task.turn).length;
    store.putOutcome(owner, slot, now, { turn: task.turn, call: task.call, fingerprint: printOf(task), answer });
  }
  for (const { key, fingerprint } of id.names) {
    store.putOutcome(`name ${key}`, 0, now, { turn: 0, call: "", fingerprint, answer });
  }
  return { ok: true, value: done };
}

/** V3. Undefined: it is no repeat. */
export function firstAnswer(store: VariableStore, call: VariableCall, id: OpId): Reply<CarriedOut> | undefined {
  const first = firstOfNames(store, id.names);
  if (first) return first;
  const { task } = id;
  const known = keptOf(store, call, id).find(({ turn, call: name }) => turn === task?.turn && name === task.call);
  if (!known) return undefined;
  // Another attempt need not make it again word for word.
  const isOther =
    task?.named && known.fingerprint.startsWith(`${task.named.fence} `) && known.fingerprint !== printOf(task);
  return isOther ? { ok: false, fault: { code: "idempotency_mismatch" } } : ok(known.answer);
}

const printOf = ({ named }: NonNullable<OpId["task"]>): string => (named ? `${named.fence} ${named.print}` : "");

const ownerOf = ({ task }: OpId): string => (task ? `task ${task.number}.${task.generation}` : "");

const keptOf = (store: VariableStore, call: VariableCall, id: OpId) =>
  id.task && !isRead(call) ? store.outcomes(ownerOf(id)) : [];

function firstOfNames(store: VariableStore, names: readonly Idem[]): Reply<CarriedOut> | undefined {
  for (const { key, fingerprint } of names) {
    const [known] = store.outcomes(`name ${key}`);
    if (!known) continue;
    return known.fingerprint === fingerprint
      ? ok(known.answer)
      : { ok: false, fault: { code: "idempotency_mismatch" } };
  }
  return undefined;
}

function decideAndWrite(store: VariableStore, call: VariableCall): CarriedOut {
  const stale = call.fence && staleFence(store, call.fence);
  if (stale) return { answer: stale };
  const decision = decide(store.head, store, call);
  const { answer, versions } = decision;
  const done = { answer, versions: versions ?? {} };
  if ("error" in answer) return done;
  store.write(decision);
  if (call.fence && call.fence.token > store.fence(call.fence.lock)) store.putFence(call.fence.lock, call.fence.token);
  return done;
}

function staleFence(store: VariableStore, { lock, token }: Fence): Answer | undefined {
  const newest = store.fence(lock);
  if (token >= newest) return undefined;
  return refuse("stale_fence", `Token ${token} of lock "${lock}" is older than ${newest}, which wrote here since.`, {
    newest,
  }).answer;
}
