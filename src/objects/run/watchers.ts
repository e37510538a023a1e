/**
 * Many watchers of one run: WebSockets that follow its log. The runtime holds them while the object sleeps (hibernation), so
 * an idle run with watchers costs nothing but its storage.
 *
 * Owns who watches, up to which event each was told, and the texts that they are sent. Does not own the log, or who may watch.
 *
 * W1. A watcher's place lies with its socket (its attachment), written with each frame: an object that was out of memory goes on
 *     where it was, and nobody is told an event twice or misses one.
 * W2. A frame is made once for all who stand at its beginning. What was just committed comes from memory and not from storage;
 *     who is behind reads pages, which all who are as far behind share.
 * W3. What a watcher has not acknowledged is bounded. Beyond that it is sent nothing and holds up nobody; when it acknowledges it
 *     gets what it missed, and after `watcherStallMs` it is closed and may come again.
 * W4. Frames go out after a commit, at most once in `watcherEveryMs`, however much the run does.
 * W5. A watcher whose time is over (`until`) is told nothing but to come again: its key may have been revoked meanwhile.
 */

import type { FaultData } from "../../errors/fault.ts";
import { closeCodeOf, problemDocument } from "../../errors/problem-document.ts";
import {
  watcherAckCharsMax,
  watcherEveryMs,
  watcherFrameChars,
  watcherLeaveMs,
  watcherPagesChars,
  watcherStallMs,
  watchersPerRunMax,
  watcherWindowChars,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Decided } from "../../scheduler/events.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { type Partials, partialsSince } from "./partials.ts";
import { eventView } from "./views.ts";

/** What lies with the socket. */
interface Place {
  /** The last event that it was sent. */
  after: number;
  /** Characters of all frames that it was sent, and of those that it says it has. */
  sent: number;
  acked: number;
  /** Since when it may be sent nothing; 0: it may. */
  fullSince: number;
  /** When it is told to come again. Missing where an older version let it in. */
  readonly until?: number;
  /** It wants partial texts too. */
  readonly partial: boolean;
  /** It was told its last, and how it is closed. */
  leaving?: Close;
}

interface Close {
  readonly code: number;
  readonly reason: string;
}

interface Watcher {
  readonly place: Place;
  /** Up to which version it has seen partial texts; forgotten with the memory that has them. */
  partials: number;
}

/** The events after one, up to another, as they are sent. */
interface Frame {
  readonly to: number;
  readonly text: string;
}

interface Fresh {
  readonly at: number;
  readonly decided: Decided;
}

export class Watchers {
  readonly #ctx: DurableObjectState;
  readonly #load: () => LoadedRun | undefined;
  readonly #partials: Partials;
  readonly #watchers = new Map<WebSocket, Watcher>();
  readonly #leaving = new Map<WebSocket, Close>();
  /** By the event that they follow. */
  readonly #frames = new Lru<number, Frame>(watcherPagesChars);
  /** Of the transaction under way, and then committed and not sent. */
  #staged: Fresh[] = [];
  #fresh: Fresh[] = [];
  #sentAt = 0;
  #sending: ReturnType<typeof setTimeout> | undefined;
  #stalls: ReturnType<typeof setTimeout> | undefined;

  constructor(ctx: DurableObjectState, load: () => LoadedRun | undefined, partials: Partials) {
    this.#ctx = ctx;
    this.#load = load;
    this.#partials = partials;
    for (const socket of ctx.getWebSockets()) {
      const place = socket.deserializeAttachment() as Place | null;
      if (place?.leaving) socket.close(place.leaving.code, place.leaving.reason);
      else if (place) this.#watchers.set(socket, { place, partials: 0 });
    }
  }

  get wantPartials(): boolean {
    for (const { place } of this.#watchers.values()) if (place.partial) return true;
    return false;
  }

  /** A new one, as the door has let it in: `after`, `until` (epoch ms) and `partial` in the URL. What refuses it is the answer's body. */
  accept(request: Request): Response {
    const run = this.#load();
    if (!run) return refused({ code: "not_found", detail: "There is no such run." });
    if (this.#watchers.size >= watchersPerRunMax) {
      return refused({ code: "too_many_requests", detail: `${watchersPerRunMax} watch this run, and more may not.` });
    }
    const query = new URL(request.url).searchParams;
    const until = query.get("until");
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server);
    // Whoever wants to know whether the line still stands wakes nobody.
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    const place: Place = {
      after: Number(query.get("after") ?? 0),
      sent: 0,
      acked: 0,
      fullSince: 0,
      ...(until !== null && { until: Number(until) }),
      // A redacted run's replies are not shown as they are written either.
      partial: query.get("partial") === "true" && !run.redact,
    };
    const watcher = { place, partials: 0 };
    this.#watchers.set(server, watcher);
    server.serializeAttachment(place);
    this.#tell(run, server, watcher);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** All that a watcher says is how much it has: `{"ack": characters}` of all frames together. */
  message(socket: WebSocket, data: string | ArrayBuffer): void {
    const watcher = this.#watchers.get(socket);
    if (!watcher) return;
    const { place } = watcher;
    const ack = typeof data === "string" ? ackOf(data) : undefined;
    if (ack === undefined || ack <= place.acked || ack > place.sent) {
      this.#close(socket, {
        code: "validation_failed",
        detail: 'A watcher sends nothing but {"ack": N}, N more than before and no more than it was sent, and "ping".',
      });
      return;
    }
    place.acked = ack;
    place.fullSince = 0;
    socket.serializeAttachment(place);
    const run = this.#load();
    if (run) this.#tell(run, socket, watcher);
  }

  closed(socket: WebSocket): void {
    this.#watchers.delete(socket);
    this.#leaving.delete(socket);
    try {
      socket.close();
    } catch {
      // It is closed on both sides.
    }
  }

  /** Events of the transaction under way. */
  stage(decided: readonly Decided[], at: number): void {
    if (this.#watchers.size > 0) {
      for (const one of decided) this.#staged.push({ at, decided: one });
    } else {
      // What was committed before has no sequel here: whoever comes now reads it from the log.
      this.#fresh = [];
    }
  }

  /** The transaction failed: its events never were. */
  unstage(): void {
    this.#staged = [];
  }

  /** To be called after each commit, and when the run is loaded. */
  committed(): void {
    if (this.#watchers.size === 0) return;
    if (this.#staged.length > 0) {
      this.#fresh = this.#fresh.length === 0 ? this.#staged : this.#fresh.concat(this.#staged);
      this.#staged = [];
    }
    this.#sending ??= setTimeout(() => this.#send(), this.#restMs());
  }

  /** The run is deleted. */
  gone(): void {
    this.#fresh = [];
    this.#staged = [];
    this.#frames.clear();
    for (const socket of [...this.#watchers.keys()]) {
      this.#close(socket, { code: "not_found", detail: "The run was deleted." });
    }
  }

  /** Until frames may go out again; a clock that was set back makes it no longer. */
  #restMs(): number {
    return Math.min(watcherEveryMs, Math.max(0, this.#sentAt + watcherEveryMs - Date.now()));
  }

  #send(): void {
    this.#sending = undefined;
    this.#sentAt = Date.now();
    const run = this.#load();
    if (!run) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    if (fresh[0]) {
      const texts = fresh.map(({ at, decided }) => textOf(run, decided, at));
      for (let from = fresh[0].decided.seq - 1; texts.length > 0; ) {
        const count = fitting(texts);
        this.#keep(from, { to: from + count, text: frameOf(texts.splice(0, count)) });
        from += count;
      }
    }
    for (const [socket, watcher] of [...this.#watchers]) this.#tell(run, socket, watcher);
  }

  /** Sends a watcher what it may have. */
  #tell(run: LoadedRun, socket: WebSocket, watcher: Watcher): void {
    const { place } = watcher;
    if (place.until !== undefined && place.until <= Date.now()) {
      this.#leave(socket, { again: { after: place.after } }, { code: againCode, reason: "again" });
      return;
    }
    // What is about to be made into frames is told from these, so that all stay at the same places.
    const head = this.#fresh[0] ? this.#fresh[0].decided.seq - 1 : run.state.header.seq;
    const before = place.sent;
    while (place.after < head && !isFull(place)) {
      const frame = this.#frameAfter(run, place.after, head);
      if (!this.#push(socket, place, frame.text)) return;
      place.after = frame.to;
    }
    if (place.after >= head && place.partial && !this.#tellPartials(run, socket, watcher)) return;
    if (isRunEnded(run.state) && place.after >= run.state.header.seq) {
      this.#leave(socket, { end: { last_seq: place.after } }, { code: 1000, reason: "end" });
      return;
    }
    if (isFull(place) && place.fullSince === 0) place.fullSince = Date.now();
    if (place.fullSince > 0) this.#stalls ??= setTimeout(() => this.#closeStalled(), watcherStallMs);
    if (place.sent !== before) socket.serializeAttachment(place);
  }

  /** False: its socket has closed. */
  #tellPartials(run: LoadedRun, socket: WebSocket, watcher: Watcher): boolean {
    if (isFull(watcher.place) || !this.#partials.hasNews(watcher.partials)) return true;
    const { upTo, texts } = partialsSince(this.#partials, run, watcher.partials);
    watcher.partials = upTo;
    return texts.length === 0 || this.#push(socket, watcher.place, JSON.stringify({ partials: texts }));
  }

  /** False: it closed in this moment, and whoever was there comes again with what it has. */
  #push(socket: WebSocket, place: Place, text: string): boolean {
    try {
      socket.send(text);
    } catch {
      this.closed(socket);
      return false;
    }
    place.sent += text.length;
    return true;
  }

  /** The frame of events that follow `after`, none of them beyond `head`. */
  #frameAfter(run: LoadedRun, after: number, head: number): Frame {
    const known = this.#frames.get(after);
    if (known) return known;
    const texts: string[] = [];
    let chars = 0;
    for (const row of run.store.log.rowsFrom(after + 1, watcherFrameChars)) {
      for (const [i, event] of row.events.entries()) {
        const seq = row.seq + i;
        if (seq <= after || seq > head || chars > watcherFrameChars) continue;
        const text = JSON.stringify(eventView(run, event, seq, row.at));
        texts.push(text);
        chars += text.length;
      }
      if (chars > watcherFrameChars || row.seq + row.events.length > head) break;
    }
    const frame = { to: after + texts.length, text: frameOf(texts) };
    this.#keep(after, frame);
    return frame;
  }

  #keep(after: number, frame: Frame): void {
    this.#frames.set(after, frame, frame.text.length);
  }

  #closeStalled(): void {
    this.#stalls = undefined;
    const now = Date.now();
    for (const [socket, { place }] of [...this.#watchers]) {
      if (place.fullSince === 0) continue;
      if (place.fullSince + watcherStallMs <= now) {
        this.#close(socket, { code: "too_slow", detail: `Go on after event ${place.after} at the latest.` });
      } else this.#stalls ??= setTimeout(() => this.#closeStalled(), place.fullSince + watcherStallMs - now);
    }
  }

  /** With the problem as its last frame, and a code that tells its status. */
  #close(socket: WebSocket, fault: FaultData): void {
    const problem = problemDocument(fault, `urn:uuid:${crypto.randomUUID()}`);
    this.#leave(socket, { problem }, { code: closeCodeOf(fault.code), reason: fault.code });
  }

  /**
   * Tells a watcher its last, and closes it in a moment, unless it does so first: local workerd keeps a line for ten seconds that the
   * object closed, and with it the process at its other end.
   */
  #leave(socket: WebSocket, last: object, close: Close): void {
    const watcher = this.#watchers.get(socket);
    this.#watchers.delete(socket);
    try {
      socket.send(JSON.stringify(last));
      if (watcher) socket.serializeAttachment({ ...watcher.place, leaving: close });
      this.#leaving.set(socket, close);
      setTimeout(() => {
        if (this.#leaving.delete(socket)) socket.close(close.code, close.reason);
      }, watcherLeaveMs);
    } catch {
      // It closed in this moment.
    }
  }
}

/** No problem, so it has no status of one. */
const againCode = 4205;

const isFull = ({ sent, acked }: Place): boolean => sent - acked >= watcherWindowChars;

const frameOf = (texts: readonly string[]): string => `{"events":[${texts.join(",")}]}`;

const textOf = (run: LoadedRun, { seq, event, causes }: Decided, at: number): string =>
  JSON.stringify(eventView(run, { ...event, ...(causes.length > 0 && { causes: [...causes] }) }, seq, at));

/** How many of the texts one frame takes: one at least. */
function fitting(texts: readonly string[]): number {
  let chars = 0;
  let count = 0;
  while (count < texts.length && chars <= watcherFrameChars) chars += texts[count++]!.length;
  return count;
}

function ackOf(text: string): number | undefined {
  const digits = text.length <= watcherAckCharsMax ? /^\{"ack": ?(\d{1,15})\}$/.exec(text)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

const refused = (fault: FaultData): Response => Response.json({ ok: false, fault });
