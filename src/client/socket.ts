/**
 * One WebSocket that follows a run, as what came through it and how it ended. It runs on the platform's own WebSocket, so in
 * Node 22 and later, browsers and Workers alike.
 *
 * S1  What was read is acknowledged when the reader has taken it, and not when it came: a reader that is slow is sent no more
 *     than it can hold.
 * S2  A line that says nothing is asked whether it still stands, and given up when nothing answers.
 * S3  An abort, and a reader that leaves, close it.
 */

import { socketPingMs, socketSilentMs, watcherAckEveryChars } from "../limits.ts";
import { now, steadyMsSince } from "./moment.ts";
import type { EventView, PartialView } from "./replies.ts";

/** As much of the platform's WebSocket as is needed. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: string, listener: (event: SocketEvent) => void): void;
}
interface SocketEvent {
  readonly data?: unknown;
}
export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** Undefined in a Node that has none. */
export const platformSocket = (): SocketClass | undefined =>
  (globalThis as unknown as { WebSocket?: SocketClass }).WebSocket;

/** What one frame brings; the last one brings `end`, `again` or `problem`. */
export interface Frame {
  readonly events?: readonly EventView[];
  readonly partials?: readonly PartialView[];
  readonly end?: { readonly last_seq: number };
  /** Its time is over, and nothing is wrong: whoever comes again is let in if it still may. */
  readonly again?: { readonly after: number };
  readonly problem?: Record<string, unknown>;
}

export class Line {
  readonly #socket: Socket;
  readonly #signal: AbortSignal | undefined;
  readonly #came: string[] = [];
  #wake = () => {};
  #isClosed = false;
  #heardAt = now();
  #pings: ReturnType<typeof setInterval> | undefined;
  #taken = 0;
  #acknowledged = 0;
  /** It stood: whoever answers here speaks WebSocket. */
  isOpened = false;

  constructor(socket: Socket, signal: AbortSignal | undefined) {
    this.#socket = socket;
    this.#signal = signal;
    const heard = () => {
      this.#heardAt = now();
    };
    socket.addEventListener("open", () => {
      this.isOpened = true;
      heard();
    });
    socket.addEventListener("message", ({ data }) => {
      heard();
      if (typeof data !== "string" || data === "pong") return;
      this.#came.push(data);
      this.#wake();
    });
    // What went wrong tells nothing that its end doesn't.
    socket.addEventListener("error", () => this.#ended());
    socket.addEventListener("close", () => this.#ended());
    this.#pings = setInterval(() => this.#ping(), socketPingMs);
    signal?.addEventListener("abort", this.#aborted);
  }

  /** Frames as they come, until the line ends. @throws the signal's reason */
  async *frames(): AsyncGenerator<Frame, void, void> {
    try {
      for (;;) {
        this.#signal?.throwIfAborted();
        const text = this.#came.shift();
        if (text !== undefined) {
          yield JSON.parse(text) as Frame;
          this.#acknowledge(text.length);
        } else if (this.#isClosed) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#close();
    }
  }

  #acknowledge(chars: number): void {
    this.#taken += chars;
    if (this.#taken - this.#acknowledged < watcherAckEveryChars) return;
    this.#acknowledged = this.#taken;
    this.#send(JSON.stringify({ ack: this.#taken }));
  }

  #ping(): void {
    if (steadyMsSince(this.#heardAt) >= socketSilentMs) this.#close();
    else this.#send("ping");
  }

  #send(text: string): void {
    try {
      if (!this.#isClosed && this.isOpened) this.#socket.send(text);
    } catch {
      this.#ended();
    }
  }

  readonly #aborted = () => this.#close();

  #close(): void {
    this.#ended();
    try {
      this.#socket.close();
    } catch {
      // It never opened.
    }
  }

  #ended(): void {
    this.#isClosed = true;
    clearInterval(this.#pings);
    this.#signal?.removeEventListener("abort", this.#aborted);
    this.#wake();
  }
}
