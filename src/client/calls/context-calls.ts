/** Contexts: what grew, snapshots and transcripts. */

import type { ContextView, Snapshot } from "../replies.ts";
import type { Message } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { FileCalls } from "./file-calls.ts";

/** Contexts: what grew, snapshots and transcripts. */
export class ContextCalls extends FileCalls {
  /** The main agent's context grew by `messages` after a snapshot. */
  appendContext(
    run: string,
    body: { after: string; messages: Message[] },
    options: CallOptions = {},
  ): Promise<{ snapshot: string }> {
    return this.postJson(`${at(run)}/context`, body, options);
  }
  /** A snapshot's messages; with `after`, an ancestor of it, only those that follow that one. */
  snapshot(run: string, hash: string, query: { after?: string } = {}, options: CallOptions = {}): Promise<Snapshot> {
    return this.getJson(`${at(run)}/snapshots/${encodeURIComponent(hash)}`, { ...query }, options);
  }
  /** As `snapshot`, the text as stored: parsing and printing it would change bytes. */
  snapshotText(run: string, hash: string, options: CallOptions = {}): Promise<string> {
    return this.getText(`${at(run)}/snapshots/${encodeURIComponent(hash)}`, options);
  }
  /** The task's whole transcript. */
  taskContext(run: string, task: string, options: CallOptions = {}): Promise<ContextView> {
    return this.getJson(`${at(run, task)}/context`, {}, options);
  }
  /** As `taskContext`, the text as stored. */
  taskContextText(run: string, task: string, options: CallOptions = {}): Promise<string> {
    return this.getText(`${at(run, task)}/context`, options);
  }
}
