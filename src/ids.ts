/**
 * Ids: make, parse, format.
 *
 * A run's id is random and unguessable; a task's id is its number in the run plus six characters of the run's id, so that
 * an id of another run never resolves by accident. It starts with a capital letter, which no `key` may, so an id and a key
 * can share one field (`after`, `wait`).
 */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type RunId = Branded<"run">;
export type TaskId = Branded<"task">;
/** SHA-256 of a snapshot, 32 hex characters (128 bits). */
export type SnapshotHash = Branded<"snapshot">;

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base 32: nothing that is misread
const runPattern = /^run_[0-9a-hjkmnp-tv-z]{20}$/;
const taskPattern = /^T([1-9][0-9]{0,8})-([0-9a-hjkmnp-tv-z]{6})$/;
const actorPattern = /^A([1-9][0-9]{0,8})-([0-9a-hjkmnp-tv-z]{6})$/;
const resultPattern = /^R([1-9][0-9]{0,14})-([0-9a-hjkmnp-tv-z]{6})$/;
const questionPattern = /^Q([1-9][0-9]{0,14})-([0-9a-hjkmnp-tv-z]{6})$/;
export const keyPattern = /^[a-z][a-z0-9_-]{0,63}$/;
const snapshotPattern = /^[0-9a-f]{32}$/;

/** Base-32 text of `length` characters from at least `length` bytes, five bits of each used. */
export function base32(bytes: Uint8Array, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += alphabet[bytes[i]! & 31];
  return text;
}

export const runIdOf = (bytes: Uint8Array): RunId => `run_${base32(bytes, 20)}` as RunId;
/** A new id whose tasks have the ids that those of `run` have: it carries the same six characters. */
export const runIdLike = (run: RunId, bytes: Uint8Array): RunId => `${run.slice(0, 10)}${base32(bytes, 14)}` as RunId;

export const isRunId = (text: string): text is RunId => runPattern.test(text);

/** The six characters of a run's id that its tasks' ids carry. */
export const runSuffix = (run: RunId): string => run.slice(4, 10);

export const taskIdOf = (run: RunId, n: number): TaskId => `T${n}-${runSuffix(run)}` as TaskId;

/** The task's number in `run`; undefined when the text is no task id or one of another run. */
export function taskNumber(run: RunId, id: string): number | undefined {
  const match = taskPattern.exec(id);
  return match && match[2] === runSuffix(run) ? Number(match[1]) : undefined;
}

/** An actor session's id: its number beside the run's six characters, as a task's. */
const actorIdOf = (run: RunId, n: number): string => `A${n}-${runSuffix(run)}`;

/** Of what the log names by one number: a task, or below zero a session. */
export const ownerIdOf = (run: RunId, n: number): string => (n < 0 ? actorIdOf(run, -n) : taskIdOf(run, n));

/** The session's number in `run`; undefined when the text is no id of one, or of another run's. */
export function actorNumber(run: RunId, id: string): number | undefined {
  const match = actorPattern.exec(id);
  return match && match[2] === runSuffix(run) ? Number(match[1]) : undefined;
}

/** A remote tool call's id, by the number of the event that began it. */
export const toolCallIdOf = (run: RunId, seq: number): string => `C${seq}-${runSuffix(run)}`;

/** A question's id, by the number of the event that began it. */
export const questionIdOf = (run: RunId, seq: number): string => `Q${seq}-${runSuffix(run)}`;

/** The event's number; undefined when the text names no question of `run`. */
export function questionNumber(run: RunId, id: string): number | undefined {
  const match = questionPattern.exec(id);
  return match && match[2] === runSuffix(run) ? Number(match[1]) : undefined;
}

/** Names the result of a tool call, by the number of the event that has it. */
export const resultIdOf = (run: RunId, seq: number): string => `R${seq}-${runSuffix(run)}`;

/** The event's number; undefined when the text names no result of `run`. */
export function resultNumber(run: RunId, id: string): number | undefined {
  const match = resultPattern.exec(id);
  return match && match[2] === runSuffix(run) ? Number(match[1]) : undefined;
}

export const isSnapshotHash = (text: string): text is SnapshotHash => snapshotPattern.test(text);
