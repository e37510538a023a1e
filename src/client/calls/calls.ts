/**
 * What all calls have in common. `Heddle` is one class with a method a call; it is written in layers, a file for each
 * resource, since one layer needs another's calls now and then and users see one object.
 */

import { waitMsMax } from "../../limits.ts";
import type { ToolOutcome } from "../replies.ts";
import type { ToolRequest } from "../requests.ts";
import { type CallOptions, Transport, type TransportOptions } from "../transport.ts";

/** Where the calls go. */
export class Calls {
  /** One HTTP call, repeated where that is safe. */
  protected readonly transport: Transport;

  constructor(options: TransportOptions) {
    this.transport = new Transport(options);
  }

  /** Where Heddle is, without a slash at the end. */
  get url(): string {
    return this.transport.url;
  }

  /** A read. */
  protected getJson<Reply>(
    path: string,
    query: Record<string, string | number | undefined>,
    options: CallOptions,
  ): Promise<Reply> {
    return this.transport.json({ ...options, method: "GET", path, query });
  }
  /** A read whose text must not be parsed and printed anew. */
  protected getText(path: string, options: CallOptions): Promise<string> {
    return this.transport.text({ ...options, method: "GET", path });
  }
  /** A call that acts, once however often it is repeated. */
  protected postJson<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.transport.json({ ...options, method: "POST", path, body });
  }
  /** A call that sets. */
  protected putJson<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.transport.json({ ...options, method: "PUT", path, body });
  }
  /** A tool call, by a key or, without one, by the lease in the path. */
  protected postTool(path: string, body: ToolRequest, options: CallOptions, withKey: boolean): Promise<ToolOutcome> {
    return this.transport.json({ ...options, method: "POST", path, body, withKey, waitMs: body.wait_ms ?? waitMsMax });
  }
}

/** The path of a run, or of a task of it. */
export const at = (run: string, task?: string): string =>
  `/v1/runs/${encodeURIComponent(run)}${task === undefined ? "" : `/tasks/${encodeURIComponent(task)}`}`;
