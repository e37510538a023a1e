/** The RPC surface of a SharedVariable, named `tenant/run/name`. Only the run's object calls it (ARCHITECTURE, Variables). */

import type { Answer, Json } from "../variables/kind.ts";
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
  };
  /** Names that the caller gave it (Idempotency-Key, call_id): kept for a day. */
  readonly names: readonly Idem[];
}

export interface VariableOp {
  readonly tenant: string;
  readonly run: string;
  readonly call: VariableCall;
  readonly id: OpId;
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

export interface VariableRpc {
  carryOut(op: VariableOp): Promise<Reply<Answer>>;
  /** Undefined when nothing was ever done with it. */
  look(): Promise<VariableLook | undefined>;
  deleteAll(): Promise<void>;
}
