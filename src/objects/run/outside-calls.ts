/** Contexts and tool calls of the agent outside: what is appended, the snapshot that its calls fork, and their names. */

import { callFingerprint } from "../../context/call-fingerprint.ts";
import { openCalls } from "../../context/calls.ts";
import { type Slip, slipIn } from "../../context/slips.ts";
import { childHash } from "../../context/snapshot-hash.ts";
import type { MessageText } from "../../context/types.ts";
import { type FaultData, fieldFault } from "../../errors/fault.ts";
import type { SnapshotHash } from "../../ids.ts";
import { contextBytesMax } from "../../limits.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Idem, ToolCallInput } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { refuse } from "./replies.ts";

export type Appended =
  | { readonly ok: true; readonly snapshot: string }
  | { readonly ok: false; readonly fault: FaultData };

/**
 * As `enter`, and the head moves there. Where the conversation has gone on from the same messages since, the head stays: a repeat that comes
 * late has nothing new, and what is posted next is to fork the newest messages.
 */
export function appendOutside(step: Step, run: LoadedRun, after: string, messages: readonly MessageText[]): Appended {
  const appended = enter(run, after, messages);
  if (!appended.ok || messages.length === 0) return appended;
  const { snapshot } = appended;
  if (!run.store.tree.isOnPath(snapshot, step.state.header.snapshot)) step.emit({ type: "context_appended", snapshot });
  return appended;
}

/** Appends messages of somebody outside to a snapshot. The same again is the same snapshot, and what no provider would take is refused. */
export function enter(run: LoadedRun, after: string, messages: readonly MessageText[]): Appended {
  const fault = enteringFault(run, after, messages);
  return fault ? refuse(fault) : appendTo(run, after, messages);
}

/** What no provider would take of messages that somebody sends to stand after a snapshot: the first slip (context/slips.ts). */
export function enteringFault(run: LoadedRun, after: string, messages: readonly MessageText[]): FaultData | undefined {
  const { tree } = run.store;
  const slip = tree.find(after) && slipIn(tree.head(after).format, messages, tree.newestFirst(after));
  // What an earlier version took stays taken: its repeat enters nothing.
  if (!slip || tree.find(childHash(after as SnapshotHash, messages))) return undefined;
  return slipFault(slip);
}

/** `within`: the field that holds the list of messages, with its dot. */
export function slipFault({ path, message }: Slip, within = ""): FaultData {
  return fieldFault(`${within}${path}`, message);
}

export function appendTo(run: LoadedRun, after: string, messages: readonly MessageText[]): Appended {
  const { tree } = run.store;
  const node = tree.find(after);
  if (!node) {
    return refuse({ code: "unknown_snapshot", detail: `This run has no snapshot ${after}.` });
  }
  const bytes = messages.reduce((sum, message) => sum + message.length, 0);
  if (node.bytes + bytes > contextBytesMax) return refuse({ code: "context_too_large" });
  return { ok: true, snapshot: tree.append(after, messages) };
}

/**
 * Where messages without a `snapshot` go: after the head. All calls of one reply send the same messages; the first has
 * moved the head onto that reply, so for the others the head itself is the snapshot they mean.
 */
export function baseOfCalls(run: LoadedRun, head: string, messages: readonly MessageText[]): string {
  const { tree } = run.store;
  const { parent } = tree.node(head);
  if (parent === null || messages.length === 0) return head;
  const own = tree.own(head);
  const same = own.length === messages.length && own.every((message, i) => message === messages[i]);
  return same && openCalls(tree.head(head).format, own).length > 0 ? parent : head;
}

/** What a call is known by: its id at `base`, a snapshot or a session. The same id there with other arguments is a mistake. */
export const nameOfCall = (input: ToolCallInput, base: string, callId: string): Idem => ({
  key: `call:${base}:${callId}`,
  fingerprint: callFingerprint(input.tool, input.arguments),
});
