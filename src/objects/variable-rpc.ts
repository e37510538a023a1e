/** The RPC surface of a SharedVariable, named `tenant/run/name`. Only the run's object calls it (ARCHITECTURE, Variables). */

import type { EntryRow, OutcomeRow } from "../storage/variable/variable-transfer.ts";
import type { Answer, Json, Versions } from "../variables/kind.ts";
import type { DataKind, VariableCall } from "../variables/ops.ts";
import type { Idem, Reply } from "./rpc.ts";

/** Who carries out an op, so that a repeat of it gets the first answer and changes nothing. */
export interface OpId {
  /** A call of a task's turn: kept until an op of a later turn. */
  readonly task?: {
    readonly number: number;
    readonly generation: number;
    readonly turn: number;
    readonly call: string;
    /** Where a worker gave it its id, and may give another the same: by which attempt, and which call that is. */
    readonly named?: { readonly fence: number; readonly print: string };
  };
  /** Names that the caller gave it (Idempotency-Key, call_id): kept for a day. */
  readonly names: readonly Idem[];
}

export interface VariableOp {
  readonly tenant: string;
  readonly run: string;
  /** The run's (Identity); "" for runs that have none. */
  readonly life: string;
  readonly call: VariableCall;
  readonly id: OpId;
}

export interface CarriedOut {
  readonly answer: Answer;
  /** Of what was carried out now; absent where a repeat got its first answer, or a fence refused. */
  readonly versions?: Versions;
  /** What its object has stored; absent: by a version of before. */
  readonly bytes?: number;
}

export interface VariableLook {
  readonly name: string;
  readonly kind: DataKind;
  readonly state: { readonly [field: string]: Json };
  /** Ops carried out since the object was last loaded, by name. */
  readonly ops: { readonly [op: string]: number };
  readonly ops_since: number;
  readonly created_at: number;
}

/** A stretch of a variable's export, all of one moment: its head and the lines that follow, or the lines from a place on. */
export interface VariablePart {
  readonly head?: Json;
  readonly createdAt?: number;
  readonly lines: readonly VariableLine[];
  /** Where the lines begin; absent: there are none. */
  readonly next?: string;
}

export interface VariableLine {
  readonly line: string;
  /** Where the next one begins; absent: this was the last. */
  readonly next?: string;
}

/** Contents of a variable from a file. Written again, each leaves what it left. */
export interface VariableContents {
  readonly tenant: string;
  readonly run: string;
  readonly name: string;
  readonly kind: DataKind;
  readonly createdAt: number;
  readonly head?: Json;
  readonly entries?: readonly EntryRow[];
  readonly text?: string;
  readonly fences?: readonly (readonly [lock: string, token: number])[];
  readonly answers?: readonly OutcomeRow[];
}

export interface VariableRpc {
  carryOut(op: VariableOp): Promise<Reply<CarriedOut>>;
  /** What a repeat of this op gets; undefined: it is none, and nothing is done. */
  firstAnswer(op: VariableOp): Promise<Reply<CarriedOut> | undefined>;
  /** Undefined when nothing was ever done with it. */
  look(): Promise<VariableLook | undefined>;
  /** Undefined when nothing was ever done with it. */
  exportPart(from: string | undefined): Promise<VariablePart | undefined>;
  /** Answers what its object has stored then. */
  importContents(contents: VariableContents): Promise<number>;
  /** Computes its head from what was imported; false: these contents are none of its kind's. */
  sealImport(): Promise<boolean>;
  /** With its run, of this life: ops of it that arrive later are refused. */
  deleteAll(life: string): Promise<void>;
}
