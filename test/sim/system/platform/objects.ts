/**
 * Durable Objects: the real classes, each in a life that can end between any two steps, or in the middle of one.
 *
 * O1. One life at a time. What an ended life still awaits never comes; its timers don't ring; its storage throws.
 * O2. A call of it that is under way fails for its caller, though what it did may have become durable.
 * O3. An alarm is set until its handler has ended well; it rings again after one that failed, six times at most.
 */

import type { Random } from "../../random.ts";
import type { FaultKind, Faults } from "./faults.ts";
import { type Call, PlatformError, type Reply } from "./network.ts";
import { Process } from "./process.ts";
import { Storage, type Watcher } from "./storage.ts";
import type { Entry, Timeline } from "./timeline.ts";

export interface Surroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly faults: Faults;
  note(text: string): void;
}

type Instance = Record<string, (...args: unknown[]) => unknown>;
export type ObjectClass = new (ctx: DurableObjectState, env: never) => unknown;

const alarmTries = 6;
const alarmBackoffMs = 2000;

class Life extends Process {
  readonly host: Host;
  readonly held: (() => void)[] = [];
  readonly replies = new Set<Reply>();
  readonly syncs: (() => void)[] = [];
  instance: Instance | undefined;

  constructor(host: Host) {
    super(host.name);
    this.host = host;
  }

  override send(message: () => void): void {
    if (!this.isAlive) return;
    if (this.host.storage.isDirty) this.held.push(message);
    else message();
  }
}

export class Host {
  readonly name: string;
  readonly storage = new Storage();
  readonly #around: Surroundings;
  readonly #class: ObjectClass;
  readonly #env: unknown;
  #life: Life | undefined;
  #flush: Entry | undefined;
  #bell: { readonly entry: Entry; readonly at: number } | undefined;
  /** The life has ended in an operation on its storage: what is left of it runs into errors until nothing does. */
  #broken: Life | undefined;
  #clockAhead = 0;
  /** Called when something has become durable, and when a life has ended. */
  onFlush: () => void = () => undefined;
  onEnd: () => void = () => undefined;

  constructor(name: string, objectClass: ObjectClass, env: unknown, around: Surroundings) {
    this.name = name;
    this.#class = objectClass;
    this.#env = env;
    this.#around = around;
  }

  get isLoaded(): boolean {
    return this.#life !== undefined;
  }

  get timers(): number {
    return this.#life?.timers ?? 0;
  }

  /** Calls of it that are under way. */
  get calls(): number {
    return this.#life?.replies.size ?? 0;
  }

  get alarm(): number | undefined {
    return this.storage.durableAlarm;
  }

  /** Carries out a call that has arrived. */
  receive(call: Call, reply: Reply): void {
    const life = this.#open(reply);
    if (!life) return;
    life.replies.add(reply);
    const settle = (answer: () => void) => {
      // An answer that has not left when the life ends is none: the end tells the caller.
      life.send(() => life.replies.delete(reply) && answer());
    };
    life.run(() => {
      Promise.resolve()
        .then(() => life.instance![call.method]!(...call.args))
        .then(
          (value) => settle(() => reply.answer(value)),
          (error) => settle(() => reply.fail(error)),
        );
    });
  }

  /** Ends the life; `keep`: what was written had become durable just before. */
  end(keep: boolean, why: string): void {
    const life = this.#life;
    if (!life) return;
    this.#life = undefined;
    this.#broken = undefined;
    life.isAlive = false;
    if (this.#flush) this.#flush.over = true;
    this.#flush = undefined;
    const lost = this.storage.isDirty && !keep;
    this.#around.note(`${this.name} ends: ${why}${lost ? ", and what it wrote last is lost" : ""}`);
    if (lost) this.storage.takeBack();
    else if (this.storage.isDirty) {
      this.storage.flush();
      // What waited for it may have left, or not.
      for (const message of life.held) if (this.#around.random.chance(0.5)) message();
      this.onFlush();
    }
    for (const reply of life.replies) reply.fail(new PlatformError("Network connection lost."));
    life.replies.clear();
    this.#setBell();
    this.onEnd();
  }

  /** An idle object leaves memory; false when it is not idle. */
  evict(): boolean {
    const life = this.#life;
    if (!life || life.replies.size > 0 || this.storage.isDirty) return false;
    this.end(true, "evicted");
    return true;
  }

  /** Sets the clock of the machine that it lives on. */
  setClock(ahead: number): void {
    this.#clockAhead = ahead;
    if (this.#life) this.#life.clockAhead = ahead;
    this.#setBell();
  }

  /** To be called when all code has run that could: ends a life that broke off in the middle. */
  settle(): void {
    if (this.#broken) this.end(this.#around.random.chance(0.5), "in the middle of an operation on its storage");
  }

  #open(reply: Reply): Life | undefined {
    if (this.#life) return this.#life;
    const life = new Life(this);
    life.clockAhead = this.#clockAhead;
    this.#life = life;
    this.#around.note(`${this.name} is loaded`);
    try {
      life.instance = life.run(() => new this.#class(this.#context(life), this.#env as never)) as Instance;
      return life;
    } catch (error) {
      this.end(false, `its constructor failed: ${String(error)}`);
      reply.fail(error);
      return undefined;
    }
  }

  #context(life: Life): DurableObjectState {
    const { storage } = this;
    const watcher: Watcher = {
      before: (isWrite) => this.#before(life, isWrite),
      written: () => this.#planFlush(),
    };
    const soon = async (work: () => void) => work();
    const quietly = (work: () => void) => {
      const done = soon(work);
      // Nobody need look at it.
      done.catch(() => undefined);
      return done;
    };
    return {
      // Nobody watches by a socket in these worlds.
      getWebSockets: () => [],
      waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined),
      storage: {
        sql: storage.sql(watcher),
        transactionSync: <T>(work: () => T): T => {
          watcher.before(false);
          return storage.transaction(work);
        },
        sync: () => (storage.isDirty ? new Promise<void>((resolve) => life.syncs.push(resolve)) : Promise.resolve()),
        setAlarm: (at: number) => quietly(() => storage.setAlarm(Number(at), watcher)),
        getAlarm: () => Promise.resolve(storage.alarm ?? null),
        deleteAlarm: () => quietly(() => storage.setAlarm(undefined, watcher)),
        deleteAll: () => quietly(() => storage.deleteAll(watcher)),
      },
    } as unknown as DurableObjectState;
  }

  #before(life: Life, isWrite: boolean): void {
    if (life !== this.#life || this.#broken === life) throw new PlatformError("The object's storage is reset.");
    if (this.#strikes("crashInside")) {
      this.#broken = life;
      // From here on nothing of it is heard.
      life.isAlive = false;
      throw new PlatformError("The object is reset.");
    }
    if (isWrite && this.#strikes("refused")) throw new Error("database or disk is full: SQLITE_FULL");
  }

  #strikes(kind: FaultKind): boolean {
    if (!this.#around.faults.strikes(kind)) return false;
    this.#around.note(`${this.name}: ${kind}`);
    return true;
  }

  #planFlush(): void {
    if (this.#flush) return;
    const { timeline, random } = this.#around;
    this.#flush = timeline.plan(random.int(0, 4), `flush of ${this.name}`, () => {
      this.#flush = undefined;
      const life = this.#life!;
      this.storage.flush();
      this.#setBell();
      this.onFlush();
      for (const message of life.held.splice(0)) message();
      for (const resolve of life.syncs.splice(0)) resolve();
    });
  }

  /** Plans the durable alarm's ringing. */
  #setBell(): void {
    const at = this.storage.durableAlarm;
    const bell = this.#bell;
    if (bell && !bell.entry.over) {
      if (bell.at === at) return;
      bell.entry.over = true;
    }
    this.#bell = undefined;
    if (at === undefined) return;
    const { timeline, random } = this.#around;
    const late = this.#strikes("lateAlarm") ? random.int(1, 90_000) : random.int(0, 5);
    const inMs = at - this.#clockAhead - timeline.now;
    const entry = timeline.plan(Math.max(0, inMs) + late, `alarm of ${this.name}`, () => {
      if (this.#strikes("lostAlarm")) return;
      this.#ring(at, 0);
      if (this.#strikes("doubleAlarm")) this.#ringLater(random.int(1, 3000), at, 1);
    });
    this.#bell = { entry, at };
  }

  #ringLater(inMs: number, at: number, tries: number): void {
    this.#around.timeline.plan(inMs, `alarm of ${this.name} again`, () => this.#ring(at, tries));
  }

  #ring(at: number, tries: number): void {
    const { storage } = this;
    // While it rings it is not set; one that is set meanwhile is another.
    if (storage.durableAlarm === at && storage.alarm === at) {
      storage.alarm = undefined;
      storage.durableAlarm = undefined;
    }
    const again = () => {
      if (storage.alarm !== undefined || tries >= alarmTries) return;
      this.#ringLater(alarmBackoffMs * 2 ** tries, at, tries + 1);
    };
    this.receive(
      { method: "alarm", args: [{ scheduledTime: at, retryCount: tries, isRetry: tries > 0 }] },
      { answer: () => undefined, fail: again },
    );
  }
}
