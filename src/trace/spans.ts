/**
 * A run's log as spans of time, for tools that draw or store traces: tasks, their attempts, what they were doing, and the
 * links along which one's end let another go on.
 *
 * Owns: which spans there are, their order and numbers, and what is known of each.
 * Does not own: how a format writes them (perfetto.ts, otlp.ts).
 *
 * S1. A span is told once, when it ends; those that go on at the log's end are told by `finish`, marked as unfinished.
 * S2. The same log gives the same numbers, however it is cut into pages: who takes in a trace twice has it once.
 * S3. A task's activities lie within its span, one after another.
 */

import type { UsageDelta } from "../scheduler/events.ts";
import { actorOf, type EdgeKind, Edges } from "./edges.ts";
import { type Interval, Intervals } from "./intervals.ts";
import type { Kind } from "./kinds.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

export interface Usage {
  in: number;
  out: number;
  read: number;
  write: number;
  /** Nanodollars; undefined: some of it has no price. */
  nanos: number | undefined;
}

/** What is known of a task from its beginning on. */
export interface TaskFacts {
  readonly task: number;
  readonly key?: string;
  readonly title?: string;
  readonly pool: string;
  /** 0: none. */
  readonly parent: number;
  /** Which of its generations created this one; 0: none. */
  readonly parentGeneration: number;
  readonly priority: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Timed {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly unfinished?: true;
}

/** One generation of a task, from its creation or its retry to its end. */
export interface TaskSpan extends Timed {
  readonly what: "task";
  readonly facts: TaskFacts;
  readonly generation: number;
  readonly state?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly usage: Usage;
  readonly turns: number;
}

export interface AttemptSpan extends Timed {
  readonly what: "attempt";
  readonly facts: TaskFacts;
  readonly generation: number;
  readonly attempt: number;
  /** `seq` of the event that began it. */
  readonly begun: number;
  readonly worker: string;
  readonly hosted: boolean;
  /** How it ended: the task's state, `parked`, or why it failed. */
  readonly outcome?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Where a link comes from. */
export interface Link {
  readonly task: number;
  readonly generation: number;
  readonly at: number;
  /** When that task's span began. */
  readonly since: number;
  readonly kind: EdgeKind;
  /** The variable it goes through. */
  readonly via?: string;
}

export interface ActivitySpan extends Timed {
  readonly what: "activity";
  readonly facts: TaskFacts;
  readonly generation: number;
  /** Of the task's activities. */
  readonly number: number;
  readonly attempt: number;
  /** `seq` of the event that began the attempt it was done in; 0: none. */
  readonly begun: number;
  readonly kind: Kind;
  readonly on?: string;
  /** Of a model call. */
  readonly call?: { readonly turn: number; readonly usage: UsageDelta; readonly firstMs?: number };
  /** What ended the wait. */
  readonly links: readonly Link[];
}

export type Span = TaskSpan | AttemptSpan | ActivitySpan;

/** What a trace needs beside spans. */
export interface Listener {
  span(span: Span): void;
  finding?(finding: Of<"finding">): void;
  /** Tokens of all tasks together, so far. */
  tokens?(at: number, usage: Usage): void;
}

interface OpenAttempt {
  readonly attempt: number;
  readonly begun: number;
  readonly from: number;
  readonly worker: string;
  readonly hosted: boolean;
}

interface OpenTask {
  readonly facts: TaskFacts;
  generation: number;
  from: number;
  live: boolean;
  usage: Usage;
  turns: number;
  /** Activities told. */
  told: number;
  attempt: OpenAttempt | undefined;
  /** That wait for the end of the wait that they end. */
  links: Link[];
  /** Places from which its present wait is linked already: a grant tells of a release once more. */
  readonly linked: Set<number>;
}

const waits: ReadonlySet<Kind> = new Set(["dependencies", "variables", "tasks", "children", "fallback"]);

const noUsage = (): Usage => ({ in: 0, out: 0, read: 0, write: 0, nanos: 0 });

function addUsage(sum: Usage, { in: input, out, read, write, nanos }: UsageDelta): void {
  sum.in += input;
  sum.out += out;
  sum.read += read;
  sum.write += write;
  const priced = nanos !== undefined || input + out === 0;
  sum.nanos = priced && sum.nanos !== undefined ? sum.nanos + (nanos ?? 0) : undefined;
}

export class Spans {
  readonly #listener: Listener;
  readonly #intervals = new Intervals((interval) => this.#activity(interval));
  readonly #edges = new Edges();
  readonly #tasks = new Map<number, OpenTask>();
  /** By place: whose event it was, in which generation, and when. Places count events. */
  readonly #where: { task: number[]; generation: number[]; at: number[] } = { task: [], generation: [], at: [] };
  readonly #usage = noUsage();
  #event: TraceEvent | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  add(event: TraceEvent): void {
    this.#event = event;
    if (event.type === "task_created") this.#create(event);
    const task = actorOf(event);
    const known = this.#tasks.get(task);
    this.#link(event, known);
    this.#intervals.add(event);
    if ("usage" in event && event.usage) {
      if (known) addUsage(known.usage, event.usage);
      addUsage(this.#usage, event.usage);
      this.#listener.tokens?.(event.at, this.#usage);
    }
    if (known) this.#step(event, known);
    if (event.type === "finding") this.#listener.finding?.(event);
    const place = this.#where.at.push(event.at) - 1;
    this.#where.task.push(task);
    this.#where.generation.push(known?.generation ?? 0);
    this.#edges.note(event, place);
  }

  /** Tells what goes on at `now`. */
  finish(now: number): void {
    for (const _ of this.finishing(now));
  }

  /** The same, a task at a step: who writes spans has room for those of some tasks, and not for all of a run's. */
  *finishing(now: number): Generator<void, void, void> {
    this.#event = undefined;
    yield* this.#intervals.finishing(now);
    for (const known of this.#tasks.values()) {
      if (!known.live) continue;
      this.#endAttempt(known, Math.max(now, known.from));
      this.#endTask(known, Math.max(now, known.from));
      yield;
    }
  }

  #create({ task, key, title, pool, parent, priority, labels, at }: Of<"task_created">): void {
    const facts: TaskFacts = {
      ...{ task, pool, parent, priority, parentGeneration: this.#tasks.get(parent)?.generation ?? 0 },
      ...(key !== undefined && { key }),
      ...(title !== undefined && { title }),
      ...(labels && { labels }),
    };
    this.#tasks.set(task, {
      facts,
      generation: 1,
      from: at,
      live: true,
      usage: noUsage(),
      turns: 0,
      told: 0,
      attempt: undefined,
      links: [],
      linked: new Set(),
    });
  }

  #link(event: TraceEvent, known: OpenTask | undefined): void {
    for (const { place, kind, via } of this.#edges.of(event)) {
      const task = this.#where.task[place]!;
      // A task's own order needs no links, and a session has no span.
      if (!known || task <= 0 || task === known.facts.task || kind === "fork" || known.linked.has(place)) continue;
      known.linked.add(place);
      known.links.push({
        ...{ task, generation: this.#where.generation[place]!, at: this.#where.at[place]!, kind },
        since: this.#tasks.get(task)?.from ?? 0,
        ...(via !== undefined && { via }),
      });
    }
  }

  #step(event: TraceEvent, known: OpenTask): void {
    switch (event.type) {
      case "task_started":
        known.attempt = {
          ...{ attempt: event.attempt, begun: event.seq, from: event.at, worker: event.worker },
          hosted: event.hosted === true,
        };
        return;
      case "turn":
        known.turns++;
        return;
      case "task_parked":
        this.#endAttempt(known, event.at, "parked");
        return;
      case "task_ready":
      case "task_held":
        // A worker that gave the task back used up no attempt, and had it all the same.
        this.#endAttempt(known, event.at, "given_back");
        return;
      case "attempt_ended":
        this.#endAttempt(known, event.at, event.why, event.error);
        return;
      case "task_fell_back":
        this.#endAttempt(known, event.at, "failed", event.error);
        return;
      case "task_ended":
        this.#endAttempt(known, event.at, event.state, event.error);
        this.#endTask(known, event.at, event.state, event.error);
        return;
      case "task_retried":
        Object.assign(known, { generation: event.generation, from: event.at, live: true, usage: noUsage(), turns: 0 });
        return;
      default:
    }
  }

  #endAttempt(known: OpenTask, to: number, outcome?: string, error?: { code: string; message: string }): void {
    const { attempt: open, facts, generation } = known;
    if (!open) return;
    known.attempt = undefined;
    this.#listener.span({
      ...{ what: "attempt", facts, generation, to },
      ...open,
      ...(outcome === undefined ? { unfinished: true } : { outcome }),
      ...(error && { error }),
    });
  }

  #endTask(known: OpenTask, to: number, state?: string, error?: { code: string; message: string }): void {
    const { facts, generation, from, usage, turns } = known;
    known.live = false;
    known.links = [];
    this.#listener.span({
      ...{ what: "task", facts, generation, from, to, usage, turns },
      ...(state === undefined ? { unfinished: true } : { state }),
      ...(error && { error }),
    });
  }

  /** Those of what ended this wait. What was there before it, as a lock that had long been free, ended none. */
  #linksOf(known: OpenTask, kind: Kind, from: number): Link[] {
    const isWait = waits.has(kind);
    if (!isWait) known.linked.clear();
    const links = known.links.splice(0);
    return isWait ? links.filter(({ at }) => at >= from) : [];
  }

  #activity({ task, generation, attempt, kind, from, to, until, on }: Interval): void {
    const known = this.#tasks.get(task);
    if (!known) return;
    const number = ++known.told;
    const links = this.#linksOf(known, kind, from);
    if (to <= from && links.length === 0) return;
    const event = this.#event;
    const call =
      kind === "model" && event?.type === "turn" && event.task === task
        ? { turn: event.turn, usage: event.usage, ...(event.first_ms !== undefined && { firstMs: event.first_ms }) }
        : undefined;
    this.#listener.span({
      ...{ what: "activity", facts: known.facts, generation, number, attempt, kind, from, to, links },
      begun: known.attempt?.begun ?? 0,
      ...(on !== undefined && { on }),
      ...(call && { call }),
      ...(until === 0 && { unfinished: true as const }),
    });
  }
}
