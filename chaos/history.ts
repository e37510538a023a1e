/**
 * What clients of the chaos run asked for and were told, as data: the checker's only witness beside the server's own state.
 *
 * H1  A call is one wish, over all its attempts: it is written down before the first of them, so that an unknown outcome is known
 *     to be one.
 * H2  `told` is an answer that arrived whole. `refused` is a problem that says that nothing was done. Everything else is
 *     `unknown`: it may have had its effect, once.
 */

import { appendFileSync } from "node:fs";
import type { EventView, RunRow, RunView, TaskState, TaskView, UsageRowView } from "../src/client/index.ts";

/** A tool call: of an outside client, of a session, or of a task. */
export interface Op {
  readonly tool: string;
  readonly arguments: { readonly op: string; readonly name: string; readonly [field: string]: unknown };
}

/** What a task that was posted must come to, unless somebody cancels it. */
export type Expected =
  | { readonly kind: "result"; readonly result: string }
  /** The answers to its ops, one each. */
  | { readonly kind: "answers" }
  /** What the tools said of its words, one answer each. */
  | { readonly kind: "stamped" }
  /** Of the command that `heddle work` ran for it: its key, and under which fence. */
  | { readonly kind: "worked" }
  | { readonly kind: "failed"; readonly code: string }
  | { readonly kind: "cancelled"; readonly code: string }
  /** The first so many of its group win: this result, or cancelled because they have. */
  | { readonly kind: "raced"; readonly result: string }
  | { readonly kind: "skipped" };

/** A call of a tool that is carried out elsewhere. Its word is in no other call. */
export interface ToolWord {
  readonly tool: string;
  readonly word: string;
}

/** What a task has by `on_failure`: what runs in its place, or undoes it. */
export type StandIn = "fallback" | "compensation";

export interface Planned {
  readonly key: string;
  readonly expected: Expected;
  readonly ops?: readonly Op[];
  readonly words?: readonly ToolWord[];
  readonly standIn?: StandIn;
  /** How many children its own call makes. */
  readonly children?: number;
}

export type Act =
  | { readonly kind: "create_run" }
  /** The lines of a file of the run `of`. */
  | { readonly kind: "import"; readonly of: string }
  /** A new total. */
  | { readonly kind: "budget"; readonly tokens: number }
  | { readonly kind: "post" | "fork"; readonly tasks: readonly Planned[] }
  /** By their keys, until all have ended. */
  | { readonly kind: "await"; readonly tasks: readonly string[] }
  | { readonly kind: "cancel" | "retry"; readonly task: string }
  | { readonly kind: "answer"; readonly question: string }
  | { readonly kind: "message"; readonly task: string; readonly text: string }
  | { readonly kind: "append"; readonly text: string }
  | { readonly kind: "pause" | "resume" | "finish" | "cancel_run" | "delete" | "open_session" | "close_session" }
  /** `section`: the critical section that it is a part of. */
  | { readonly kind: "op"; readonly op: Op; readonly section?: string }
  | { readonly kind: "lease"; readonly pool: string }
  | { readonly kind: "turn"; readonly task: string; readonly generation: number; readonly text: string }
  | { readonly kind: "complete"; readonly task: string; readonly generation: number; readonly result: unknown }
  | { readonly kind: "create_tenant"; readonly name: string }
  | { readonly kind: "delete_tenant" | "let_run"; readonly tenant: string }
  | { readonly kind: "create_key"; readonly tenant: string; readonly name: string }
  | { readonly kind: "rotate_key" | "revoke_key"; readonly tenant: string; readonly key: string }
  /** Its rules: so many workers at most in each of its runs. */
  | { readonly kind: "hold"; readonly tenant: string; readonly workers: number }
  /** A pull worker's report of a tool call, by the call's idempotency key. */
  | { readonly kind: "stamp"; readonly key: string; readonly word: string; readonly stamp: string };

export type Outcome =
  | { readonly kind: "told"; readonly answer: unknown }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "unknown" };

export interface Call {
  readonly n: number;
  readonly client: string;
  /** Empty where it is of no run. */
  readonly run: string;
  readonly act: Act;
  /** Epoch ms of the first request and of the answer that counts. */
  readonly from: number;
  to: number;
  attempts: number;
  /** How many of them were cut off, by a kill or by the client itself. */
  cuts: number;
  /** The Idempotency-Key, or the call's id. */
  readonly id: string;
  outcome: Outcome;
  /** Answers to repeats of a call that had been told: each must be the first one. */
  readonly again: unknown[];
}

/** A task as somebody was shown it after its end. */
export interface Seen {
  readonly client: string;
  readonly run: string;
  readonly task: string;
  readonly at: number;
  readonly generation: number;
  readonly state: TaskState;
  readonly result: unknown;
}

/** What a follower of a run's log got, over all of its connections. */
export interface Followed {
  readonly client: string;
  readonly run: string;
  readonly events: { readonly seq: number; readonly type: string; readonly at: number }[];
  connections: number;
  /** The stream said that this was all. */
  ended: boolean;
}

/** A message of a webhook, as its endpoint took it. */
export interface Received {
  readonly run: string;
  /** Its `webhook-id`. */
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly text: string;
  /** By its headers, over these bytes. */
  readonly signed: boolean;
}

/** A tool call as its endpoint or a worker was asked for it, each time anew. */
export interface Stamped {
  readonly run: string;
  /** `webhook-id`, or the lease's idempotency key: the call's own, at every attempt. */
  readonly id: string;
  readonly tool: string;
  readonly word: string;
  /** The request's body, or the lease's arguments. */
  readonly text: string;
  readonly signed: boolean;
  /** What it was answered, heard or not: no other attempt has the same. Null: it failed before it did anything. */
  readonly stamp: string | null;
}

/** What a command of `heddle work` did, by its own word: it stays, whoever is killed afterwards. */
export interface Deed {
  readonly run: string;
  readonly task: string;
  readonly fence: number;
  readonly what: "begun" | "done";
  /** The id of the worker's process. */
  readonly worker: number;
  readonly at: number;
}

/** A lease that a process of `heddle work` had, and what it said of its end; null: nothing. */
export interface Worked {
  readonly task: string;
  /** By what its command did; null: it was not begun. */
  readonly lease: Pick<Deed, "run" | "fence"> | null;
  readonly said: "succeeded" | "given back" | "failed" | "lost" | "undelivered" | null;
}

/** A process of `heddle work`, from its start to its end. */
export interface Life {
  readonly worker: string;
  /**
   * `stopped`: by one SIGTERM, `forced`: by two, `killed`: by SIGKILL. `left`: by nobody. `stuck`: it was told to stop, and had to be killed
   * in the end.
   */
  readonly how: "stopped" | "forced" | "killed" | "left" | "stuck";
  /** Whether it had found its server. */
  readonly serves: boolean;
  readonly status: number | null;
  readonly worked: readonly Worked[];
}

/** A run's file, and the file of what was made from it. */
export interface Copied {
  readonly of: string;
  readonly copy: string;
  readonly file: readonly string[];
  /** Before anybody touched the copy. */
  readonly again: readonly string[];
}

/** A run that somebody deleted, and its log before: all of it, unless it was at work (`isLive`). */
export interface Deleted {
  readonly run: string;
  readonly isLive: boolean;
  readonly events: readonly EventView[];
}

/** What a run had used, as the tenant was told. */
export interface Used {
  readonly run: string;
  readonly at: number;
  readonly row: UsageRowView;
}

/** What is there at the end. */
export interface FoundRun {
  readonly run: RunView;
  readonly tasks: readonly TaskView[];
  readonly events: readonly EventView[];
  /** By task id: the transcript's text. */
  readonly transcripts: Readonly<Record<string, string>>;
  /** The text of the head's messages. */
  readonly head: string;
  readonly variables: Readonly<Record<string, FoundVariable>>;
}

export type FoundVariable =
  | { readonly kind: "atomic"; readonly value: number }
  | { readonly kind: "shared_map"; readonly entries: Readonly<Record<string, unknown>> }
  | { readonly kind: "shared_list"; readonly items: readonly unknown[] }
  | { readonly kind: "shared_memory"; readonly text: string }
  | { readonly kind: "message_queue"; readonly messages: readonly unknown[] }
  | { readonly kind: "future"; readonly value: unknown; readonly settled: boolean }
  | { readonly kind: "other" };

/** Of a tenant that was made, and is not the local one. */
export interface FoundTenant {
  readonly id: string;
  /** Empty once it is deleted. */
  readonly name: string;
  readonly status: string;
  readonly runsLeft: number;
  /** By id: of the keys that somebody was told. */
  readonly letIn: Readonly<Record<string, boolean>>;
  /** How many there are, ended ones too; where one is let in, as what follows. */
  readonly keys: number;
  /** As its rules say. */
  readonly workers: number | null;
  /** By id, each with what it is held to by its tenant. */
  readonly runs: Readonly<Record<string, { readonly isLive: boolean; readonly workers: number | null }>>;
}

/** All that the checker looks at. */
export interface World {
  readonly calls: readonly Call[];
  readonly seen: readonly Seen[];
  readonly followed: readonly Followed[];
  readonly received: readonly Received[];
  readonly stamped: readonly Stamped[];
  readonly deeds: readonly Deed[];
  readonly lives: readonly Life[];
  readonly copied: readonly Copied[];
  readonly deleted: readonly Deleted[];
  /** In the order in which it was told, the last ones when all was over. */
  readonly used: readonly Used[];
  /** By run id. */
  readonly found: Readonly<Record<string, FoundRun>>;
  readonly tenants: readonly FoundTenant[];
  /** As the list of runs has them. */
  readonly listed: readonly RunRow[];
}

/** Keeps the history in memory, and in a file line by line, so that it survives whatever ends the run. */
export class History {
  readonly calls: Call[] = [];
  readonly seen: Seen[] = [];
  readonly followed: Followed[] = [];
  readonly received: Received[] = [];
  readonly stamped: Stamped[] = [];
  readonly lives: Life[] = [];
  readonly copied: Copied[] = [];
  readonly deleted: Deleted[] = [];
  readonly used: Used[] = [];
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  begin(call: Pick<Call, "client" | "run" | "act" | "id">): Call {
    const begun: Call = {
      ...{ n: this.calls.length + 1, ...call, from: Date.now(), to: 0, attempts: 0, cuts: 0 },
      ...{ outcome: { kind: "unknown" }, again: [] },
    };
    this.calls.push(begun);
    this.#write({ asked: begun.n, at: begun.from, client: call.client, run: call.run, id: call.id, act: call.act });
    return begun;
  }

  end(call: Call, outcome: Outcome): void {
    call.outcome = outcome;
    call.to = Date.now();
    this.#write({ answered: call.n, at: call.to, attempts: call.attempts, cuts: call.cuts, outcome });
  }

  /** Writes down what views of ended tasks say; others may still change. */
  see(client: string, run: string, tasks: readonly TaskView[]): void {
    for (const { id, state, generation, result } of tasks) {
      if (!isEnded(state)) continue;
      const seen: Seen = { client, run, task: id, at: Date.now(), generation, state, result };
      this.seen.push(seen);
      this.#write({ seen });
    }
  }

  follow(client: string, run: string): Followed {
    const followed: Followed = { client, run, events: [], connections: 0, ended: false };
    this.followed.push(followed);
    return followed;
  }

  receive(message: Received): void {
    this.received.push(message);
    const { run, id, type } = message;
    this.#write({ received: id, at: Date.now(), run, type });
  }

  stamp(stamped: Stamped): void {
    this.stamped.push(stamped);
    this.#write({ stamped, at: Date.now() });
  }

  live(life: Life): void {
    this.lives.push(life);
    this.#write({ life, at: Date.now() });
  }

  copy(copied: Copied): void {
    this.copied.push(copied);
    const { of, copy, file, again } = copied;
    this.#write({ copied: of, copy, at: Date.now(), lines: file.length, again: again.length });
  }

  delete(deleted: Deleted): void {
    this.deleted.push(deleted);
    this.#write({ deleting: deleted.run, at: Date.now(), events: deleted.events.length });
  }

  /** Whether the run or the tenant that a call is of, or has made, is deleted: its answers are gone too, and a repeat makes another. */
  isGone({ run, act, outcome }: Call): boolean {
    const made = outcome.kind === "told" ? (outcome.answer as { id?: unknown }).id : undefined;
    const isOf = (id: string) => id === run || id === made || ("tenant" in act && id === act.tenant);
    return (
      this.deleted.some((one) => isOf(one.run)) ||
      this.calls.some((one) => one.act.kind === "delete_tenant" && isOf(one.act.tenant))
    );
  }

  use(rows: readonly UsageRowView[]): void {
    const at = Date.now();
    for (const row of rows) this.used.push({ run: String(row.run), at, row });
  }

  /** A thing that happened to the server or to a worker. */
  note(what: string): void {
    this.#write({ note: what, at: Date.now() });
  }

  #write(line: object): void {
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

export const isEnded = (state: TaskState): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled" || state === "skipped";
