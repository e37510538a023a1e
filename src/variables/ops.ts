/** The ops of each kind, as they come out of the one parser of tool arguments (contract/variable-tools.ts). */

import type { Json } from "./kind.ts";

export type AtomicOp =
  | { readonly op: "get" }
  | { readonly op: "set"; readonly value: Json }
  | { readonly op: "add"; readonly delta: number }
  | { readonly op: "compare_and_set"; readonly expected: Json; readonly value: Json }
  | { readonly op: "exchange"; readonly value: Json };

export type SharedMapOp =
  | { readonly op: "get"; readonly key: string }
  | { readonly op: "set"; readonly key: string; readonly value: Json; readonly if_version?: number }
  | { readonly op: "delete"; readonly key: string; readonly if_version?: number }
  | { readonly op: "increment"; readonly key: string; readonly delta: number }
  | { readonly op: "entries"; readonly prefix?: string; readonly limit?: number; readonly cursor?: string }
  | { readonly op: "size" };

export type SharedListOp =
  | { readonly op: "append"; readonly items: readonly Json[] }
  | { readonly op: "get"; readonly index: number }
  | { readonly op: "slice"; readonly start?: number; readonly end?: number }
  | { readonly op: "set"; readonly index: number; readonly value: Json; readonly if_version?: number }
  | { readonly op: "size" };

export type SharedMemoryOp =
  | { readonly op: "read"; readonly from?: number; readonly to?: number }
  | { readonly op: "write"; readonly text: string; readonly if_version?: number }
  | { readonly op: "edit"; readonly old: string; readonly new: string; readonly if_version?: number }
  | { readonly op: "append"; readonly text: string };

export type LockMode = "exclusive" | "shared";

export type LockOp =
  | { readonly op: "acquire"; readonly names: readonly string[]; readonly mode: LockMode; readonly timeout_ms?: number }
  | { readonly op: "try_acquire"; readonly mode: LockMode }
  | { readonly op: "release"; readonly token?: number };

export type SemaphoreOp =
  | { readonly op: "create"; readonly permits: number }
  | { readonly op: "acquire"; readonly permits: number; readonly timeout_ms?: number }
  | { readonly op: "release"; readonly permits: number };

export interface BarrierOp {
  readonly op: "wait";
  readonly parties: number;
  /** Ids or keys of tasks. */
  readonly members?: readonly string[];
  readonly timeout_ms?: number;
}

export type MessageQueueOp =
  | { readonly op: "create"; readonly capacity: number }
  | { readonly op: "push"; readonly messages: readonly Json[]; readonly timeout_ms?: number }
  | {
      readonly op: "pop";
      readonly max: number;
      readonly external: boolean;
      readonly ask?: string;
      readonly timeout_ms?: number;
    }
  | { readonly op: "close" }
  | { readonly op: "size" };

export type FutureOp =
  | { readonly op: "resolve"; readonly value: Json }
  | { readonly op: "reject"; readonly error: Json }
  | {
      readonly op: "await";
      readonly names: readonly string[];
      readonly mode: "all" | "any" | "settled";
      readonly external: boolean;
      readonly ask?: string;
      readonly timeout_ms?: number;
    }
  | { readonly op: "peek" };

/** A write may name the lock that guards it and the token of its hold. */
export interface Fence {
  readonly lock: string;
  readonly token: number;
}

/** The ops of the kinds that hold data, each variable in an object of its own. */
export interface VariableOps {
  readonly atomic: AtomicOp;
  readonly shared_map: SharedMapOp;
  readonly shared_list: SharedListOp;
  readonly shared_memory: SharedMemoryOp;
}

export type DataKind = keyof VariableOps;

/** The ops of the kinds that block: they live where tasks park and wake, in the run (scheduler/). */
export interface BlockingOps {
  readonly lock: LockOp;
  readonly semaphore: SemaphoreOp;
  readonly barrier: BarrierOp;
  readonly message_queue: MessageQueueOp;
  readonly future: FutureOp;
}

export type BlockingKind = keyof BlockingOps;
export type VariableKind = DataKind | BlockingKind;

/** `name` is the first of the op's names. `one`: asked for by `name`, and answered for it alone. */
export type BlockingCallOf<Kind extends BlockingKind> = {
  readonly [K in Kind]: { readonly name: string; readonly kind: K; readonly one: boolean; readonly op: BlockingOps[K] };
}[Kind];
export type BlockingCall = BlockingCallOf<BlockingKind>;

/** Ops that change nothing and never wait: they are answered on an ended run too, and register no name. */
export const looksOnly = ({ op }: BlockingCall): boolean => op.op === "size" || op.op === "peek";

export type VariableCall = {
  readonly [Kind in DataKind]: {
    readonly name: string;
    readonly kind: Kind;
    readonly op: VariableOps[Kind];
    readonly fence?: Fence;
  };
}[DataKind];
