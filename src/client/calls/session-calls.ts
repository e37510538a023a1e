/** Sessions: what an agent outside holds and waits with. */

import type { ActorsPage, ActorView } from "../replies.ts";
import type { ActorRequest, PageQuery } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { ToolCalls } from "./tool-calls.ts";

/** Sessions: what an agent outside holds and waits with. */
export class SessionCalls extends ToolCalls {
  /** A session that may hold locks and permits, and wait, from outside any task; it ends `ttl_ms` after its last call. */
  openActor(run: string, body: ActorRequest = {}, options: CallOptions = {}): Promise<ActorView> {
    return this.postJson(`${at(run)}/actors`, body, options);
  }
  /** A page of the sessions that live. */
  actors(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<ActorsPage> {
    return this.getJson(`${at(run)}/actors`, { ...query }, options);
  }
  /** A session, with what it holds and waits for. */
  actor(run: string, actor: string, options: CallOptions = {}): Promise<ActorView> {
    return this.getJson(`${at(run)}/actors/${encodeURIComponent(actor)}`, {}, options);
  }
  /** Keeps it for its `ttl_ms` from now. */
  renewActor(run: string, actor: string, options: CallOptions = {}): Promise<ActorView> {
    return this.postJson(`${at(run)}/actors/${encodeURIComponent(actor)}/renew`, {}, options);
  }
  /** What it holds is released. */
  async closeActor(run: string, actor: string, options: CallOptions = {}): Promise<void> {
    await this.transport.remove(`${at(run)}/actors/${encodeURIComponent(actor)}`, options);
  }
}
