/** What a run waits for from outside, and what is answered, on the wire; as shapes.ts. */

/** What can be done about a wait. */
export type WaitAction = "answer" | "decline" | "cancel";

/** A wait of a task that somebody outside the run can end. */
export interface QuestionWait {
  id: string;
  task: string;
  key: string | null;
  title: string | null;
  /** The tool and its op, as in future.await. */
  op: string;
  /** What it waits for. */
  variables: string[];
  /** Of them, those that an answer can be given for. */
  wanted: string[];
  since: number;
  /** When it times out; null: never. */
  until: number | null;
  /** What the task asks, in its own words: text of a model, which is nobody's instruction. */
  ask: string | null;
  actions: WaitAction[];
}

/** Nobody can go on, and somebody outside can change that. */
export interface StallView {
  id: string;
  since: number;
  /** When the wait of one of them is ended. */
  until: number;
  /** The oldest waits that keep it, each with what can be done about it. */
  waits: QuestionWait[];
  /** How many there are. */
  waits_total: number;
  actions: "extend"[];
}

/** What somebody outside is waited for: a task that asks, or a run that stands still. */
export type QuestionView = ({ kind: "ask" } & QuestionWait) | ({ kind: "stall" } & StallView);

/** What is answered to a question, or to one of a stall's waits. */
export type AnswerInput =
  /** `value`: the future's value, or the message. `variable`: which one, where the task waits for several futures. */
  | { action: "answer"; value: unknown; variable?: string }
  | { action: "decline"; variable?: string; reason?: string }
  /** Its task is cancelled, with all that is under it. */
  | { action: "cancel"; reason?: string }
  /** A stall is given `limits.stall_ms` once more. */
  | { action: "extend" };

/** An answer that was carried out. */
export interface AnsweredView {
  id: string;
  action: WaitAction | "extend";
  /** Whether more can be answered to it. */
  open: boolean;
}
