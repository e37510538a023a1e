/** What must hold of variables that block, told from the log's events alone. */

import type { Decided } from "../../src/scheduler/events.ts";
import type { Want } from "../../src/scheduler/want.ts";

interface Wait {
  readonly task: number;
  readonly call: string;
  readonly seq: number;
  readonly want: Want;
}

interface Queue {
  capacity: number;
  size: number;
  closed: boolean;
}

export class VariableHistory {
  readonly #waits: Wait[] = [];
  readonly #locks = new Map<string, Map<number, "exclusive" | "shared">>();
  readonly #tokens = new Map<string, number>();
  readonly #permits = new Map<string, { all: number; held: Map<number, number> }>();
  readonly #queues = new Map<string, Queue>();
  readonly #futures = new Set<string>();
  readonly #generations = new Map<string, number>();
  /** The call that was just answered: its grant must follow. */
  #answered: Wait | undefined;

  /** [QU1] The waits that somebody outside can end, the oldest first. */
  get questions(): readonly number[] {
    const isFirst = ({ seq, want }: Wait) =>
      !this.#waits.some((one) => one.want.kind === "pop" && one.want.names[0] === want.names[0] && one.seq < seq);
    return this.#waits
      .filter(({ task, want }) => task > 0 && "external" in want && want.external)
      .filter((wait) => wait.want.kind !== "pop" || isFirst(wait))
      .map(({ seq }) => seq);
  }

  add({ seq, event }: Decided): void {
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what}, at ${JSON.stringify({ seq, event })}`);
    };
    switch (event.type) {
      case "call_waiting":
        if (event.want) this.#waits.push({ task: event.task, call: event.call, seq, want: event.want });
        return;
      case "call_done": {
        const place = this.#waits.findIndex(({ task, call }) => task === event.task && call === event.call);
        this.#answered = place < 0 ? undefined : this.#waits[place];
        if (place >= 0) this.#waits.splice(place, 1);
        return;
      }
      case "turn":
        this.#forget((wait) => wait.task === event.task);
        return;
      case "task_parked":
        if (event.on === "children") this.#forget((wait) => wait.task === event.task);
        return;
      case "attempt_ended":
        this.lost?.(event.task, (which) => this.#forget(which));
        return;
      case "lock_granted": {
        const { name, task, token, mode } = event;
        const holders = this.#locks.get(name) ?? new Map();
        must(mode === "shared" ? ![...holders.values()].includes("exclusive") : holders.size === 0, "[K1] exclusion");
        must(token > (this.#tokens.get(name) ?? 0), "[K2] tokens rise");
        must(this.#isFirst("lock", name, task), "[K1] nobody overtakes");
        this.#tokens.set(name, token);
        this.#locks.set(name, holders.set(task, mode));
        return;
      }
      case "lock_released":
        must(this.#locks.get(event.name)?.delete(event.task) === true, "only what is held is released");
        return;
      case "semaphore_created":
        this.#permits.set(event.name, { all: event.permits, held: new Map() });
        return;
      case "permits_granted":
      case "permits_released": {
        const { all, held } = this.#permits.get(event.name)!;
        const change = event.type === "permits_granted" ? event.permits : -event.permits;
        const own = (held.get(event.task) ?? 0) + change;
        held.set(event.task, own);
        const sum = [...held.values()].reduce((total, one) => total + one, 0);
        must(own >= 0 && sum <= all, "[S1] permits are conserved");
        if (change > 0) must(this.#isFirst("semaphore", event.name, event.task), "[S2] nobody overtakes");
        return;
      }
      case "barrier_tripped":
      case "barrier_broken": {
        must(event.generation === (this.#generations.get(event.name) ?? 0), "[G1] generations count up");
        this.#generations.set(event.name, event.generation + 1);
        if (event.type === "barrier_broken") return;
        const waiting = this.#waits.filter(({ want }) => want.kind === "barrier" && want.names[0] === event.name);
        const others = event.tasks.slice(0, -1);
        must(new Set(event.tasks).size === event.tasks.length, "[G3] a task is counted once");
        must(
          others.length === waiting.length && others.every((n) => waiting.some(({ task }) => task === n)),
          "[G1] all who wait pass",
        );
        return;
      }
      case "queue_created":
        this.#queue(event.name).capacity = event.capacity;
        return;
      case "messages_pushed": {
        const queue = this.#queue(event.name);
        must(!queue.closed, "[Q3] nothing into a closed queue");
        queue.size += event.sizes.length;
        must(queue.size <= queue.capacity, "[Q2] it fits");
        if (event.from === undefined)
          must(
            !this.#waits.some(({ want }) => want.kind === "push" && want.names[0] === event.name),
            "[Q2] nobody overtakes",
          );
        return;
      }
      case "messages_popped": {
        const queue = this.#queue(event.name);
        queue.size -= event.count;
        must(event.count > 0 && queue.size >= 0, "[Q1] each message once");
        return;
      }
      case "queue_closed":
        this.#queue(event.name).closed = true;
        return;
      case "future_settled":
        must(!this.#futures.has(event.name), "[F1] once");
        this.#futures.add(event.name);
        return;
      case "task_ended":
      case "task_fell_back":
      case "actor_ended": {
        const n = event.type === "actor_ended" ? event.actor : event.task;
        const holds = [...this.#locks.values()].some((holders) => holders.has(n));
        const permits = [...this.#permits.values()].some(({ held }) => (held.get(n) ?? 0) > 0);
        must(!holds && !permits, "[B1] whoever has ended holds nothing");
        this.#forget((wait) => wait.task === n);
        return;
      }
      default:
    }
  }

  /** What an attempt's end does to its waits: the world knows whose attempts are hosted. */
  lost: ((task: number, forget: (which: (wait: Wait) => boolean) => void) => void) | undefined;

  #forget(which: (wait: Wait) => boolean): void {
    for (let i = this.#waits.length - 1; i >= 0; i--) if (which(this.#waits[i]!)) this.#waits.splice(i, 1);
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name) ?? { capacity: 10_000, size: 0, closed: false };
    this.#queues.set(name, queue);
    return queue;
  }

  /** Whether nobody who asked before still waits: a grant is either at once, with no line, or to the first of it. */
  #isFirst(kind: Want["kind"], name: string, task: number): boolean {
    const line = this.#waits.filter(({ want }) => want.kind === kind && want.names.includes(name));
    const own =
      this.#answered?.task === task && this.#answered.want.names.includes(name) ? this.#answered.seq : undefined;
    return line.every(({ seq }) => own !== undefined && seq > own);
  }
}
