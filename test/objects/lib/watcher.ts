/** A watcher of a run: a socket of its object, or of the door, and all that came through it. */

import { expect, vi } from "vitest";
import type { EventView, PartialView } from "../../../src/contract/shapes.ts";
import { watcherLifeMs } from "../../../src/limits.ts";
import { bindings, type TestRun } from "./runs.ts";

interface Message {
  readonly events?: readonly EventView[];
  readonly partials?: readonly PartialView[];
  readonly again?: { readonly after: number };
  readonly end?: { readonly last_seq: number };
  readonly problem?: { readonly code: string; readonly status: number };
}

export class TestWatcher {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  chars = 0;
  #acked = 0;

  /** `acknowledges`: as soon as it has something. */
  constructor(socket: WebSocket, acknowledges = true) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    socket.addEventListener("message", ({ data }) => {
      const text = data as string;
      if (text === "pong") return;
      this.messages.push(JSON.parse(text) as Message);
      this.chars += text.length;
      if (acknowledges && this.chars - this.#acked >= 8192) this.acknowledge();
    });
    socket.accept();
  }

  static async of(
    run: TestRun,
    { after = 0, partial = false, acknowledges = true, until = Date.now() + watcherLifeMs } = {},
  ): Promise<TestWatcher> {
    const response = await bindings.RUNS.getByName(`${run.tenant}/${run.id}`).fetch(
      `https://run/watch?after=${after}&partial=${partial}&until=${until}`,
      { headers: { upgrade: "websocket" } },
    );
    expect(response.status).toBe(101);
    return new TestWatcher(response.webSocket!, acknowledges);
  }

  acknowledge(): void {
    this.#acked = this.chars;
    this.socket.send(JSON.stringify({ ack: this.chars }));
  }

  get events(): EventView[] {
    return this.messages.flatMap(({ events = [] }) => events);
  }

  get last(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Until it has seen event `seq`. */
  async seen(seq: number): Promise<void> {
    await vi.waitFor(() => expect(this.last).toBeGreaterThanOrEqual(seq), { timeout: 20_000, interval: 5 });
  }
}
