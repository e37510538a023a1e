/** The kinds by name. */

import { atomic } from "./atomic.ts";
import type { Decision, Json, Kind, Stored } from "./kind.ts";
import type { DataKind, VariableCall } from "./ops.ts";
import { sharedList } from "./shared-list.ts";
import { sharedMap } from "./shared-map.ts";
import { sharedMemory } from "./shared-memory.ts";

/** A kind whose head and ops are not known by type: its own parser and store guarantee that they fit. */
type AnyKind = Kind<Json, { readonly op: string }>;

const kinds = {
  atomic,
  shared_map: sharedMap,
  shared_list: sharedList,
  shared_memory: sharedMemory,
} as unknown as Readonly<Record<DataKind, AnyKind>>;

/** Those whose values are in objects of their own. */
export const dataKinds = Object.keys(kinds) as readonly DataKind[];

export const initialHead = (kind: DataKind): Json => kinds[kind].initial;

/** Changes nothing, whatever the state is. */
export const isRead = ({ kind, op }: VariableCall): boolean => kinds[kind].reads.includes(op.op);

export const decide = (head: Json, stored: Stored, { kind, op }: VariableCall): Decision<Json> =>
  kinds[kind].decide(head, stored, op);

export const show = (kind: DataKind, head: Json): { readonly [field: string]: Json } => kinds[kind].show(head);

/** What a variable that nobody has used holds. */
export const nothing: Stored = { entry: () => undefined, from: () => [], text: () => "" };
