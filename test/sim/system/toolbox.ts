/** Tool calls that agents make, and what their answers acknowledge. */

import type { RemoteTool } from "../../../src/contract/remote-tools.ts";
import type { Random } from "../random.ts";
import type { Ledger, RunLedger } from "./ledger.ts";

export interface Outcome {
  readonly result?: unknown;
  readonly error?: unknown;
}

export interface Use {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The caller has seen the answer; `by` names the call. */
  readonly answered: (outcome: Outcome, by: string) => void;
}

const nothing = () => undefined;

/** Of a variable's data: a task's are not kept, and read again. */
export const isRead = ({ args }: Use): boolean => args.op === "get";

export const probeTool: RemoteTool = {
  name: "probe",
  description: "Says what you say.",
  input_schema: '{"type":"object"}',
  pool: "laptop",
  timeout_ms: 40_000,
  retries: { limit: 2 },
};

/** One agent's hands: it knows what it holds. */
export class Toolbox {
  readonly #random: Random;
  readonly #ledger: Ledger;
  readonly #mine: RunLedger;
  readonly #locks = new Map<string, number>();
  readonly #keys: string[] = [];

  constructor(random: Random, ledger: Ledger, run: string) {
    this.#random = random;
    this.#ledger = ledger;
    this.#mine = ledger.ofRun(run);
  }

  /** `holds`: it may hold and wait; `creates`: make tasks. */
  pick({ holds, creates }: { holds: boolean; creates: boolean }): Use {
    const random = this.#random;
    const what = random.weighted({
      append: 4,
      add: 3,
      note: 2,
      push: 3,
      pop: 2,
      acquire: holds ? 3 : 0,
      fenced: holds && this.#locks.size > 0 ? 8 : 0,
      release: holds && this.#locks.size > 0 ? 4 : 0,
      permits: holds ? 1.5 : 0,
      meet: holds ? 1 : 0,
      probe: holds ? 2 : 0,
      settle: 1,
      await: holds ? 1 : 0,
      ask: holds ? 1.5 : 0,
      create: creates ? 2 : 0,
      join: creates && this.#keys.length > 0 ? 2 : 0,
    });
    switch (what) {
      case "append":
        return this.#append(`list${random.int(0, 1)}`);
      case "add":
        return this.#add();
      case "note":
        return this.#note();
      case "push":
        return this.#told("message_queue", (token) => ({
          op: "push",
          name: "queue0",
          messages: [token],
          timeout_ms: 4000,
        }));
      case "pop":
        return this.#pop();
      case "acquire":
        return this.#acquire(`lock${random.int(0, 1)}`);
      case "fenced": {
        const [lock, token] = random.pick([...this.#locks])!;
        return this.#append(`under-${lock}`, { lock, token });
      }
      case "release": {
        const lock = random.pick([...this.#locks.keys()])!;
        this.#locks.delete(lock);
        return { tool: "lock", args: { op: "release", name: lock }, answered: nothing };
      }
      case "permits": {
        const op = random.pick(["acquire", "release"])!;
        const timeout = op === "acquire" ? { timeout_ms: 5000 } : {};
        return { tool: "semaphore", args: { op, name: "permits0", ...timeout }, answered: nothing };
      }
      case "meet":
        return {
          tool: "barrier",
          args: { op: "wait", name: "barrier0", parties: 2, timeout_ms: random.int(100, 15_000) },
          answered: nothing,
        };
      case "probe":
        return this.#probe();
      case "settle": {
        const name = `future${random.int(0, 5)}`;
        return this.#told("future", (token) => ({ op: "resolve", name, value: token }));
      }
      case "await":
        return {
          tool: "future",
          args: { op: "await", name: `future${random.int(0, 5)}`, timeout_ms: random.int(100, 20_000) },
          answered: nothing,
        };
      case "ask":
        return this.#ask();
      case "create":
        return this.#create();
      default:
        return { tool: "await_tasks", args: { tasks: [random.pick(this.#keys)!], mode: "settled" }, answered: nothing };
    }
  }

  /** Something that the log tells of under a token. */
  #told(tool: string, args: (token: string) => Record<string, unknown>): Use {
    const token = this.#ledger.token();
    return {
      tool,
      args: args(token),
      answered: ({ result }) => result !== undefined && this.#ledger.acknowledge(token),
    };
  }

  #append(list: string, fence?: { lock: string; token: number }): Use {
    const item = this.#mine.item(list);
    return {
      tool: "shared_list",
      args: { op: "append", name: list, items: [fence ? `${item}@${fence.token}` : item], ...(fence && { fence }) },
      answered: ({ result }) => result !== undefined && this.#mine.acknowledgeItem(item),
    };
  }

  #add(): Use {
    this.#mine.adds.asked++;
    return {
      tool: "atomic",
      args: { op: "add", name: "sum", delta: 1 },
      answered: ({ result }) => {
        if (result !== undefined) this.#mine.adds.acknowledged++;
      },
    };
  }

  /** Reads or writes one of few keys, now with a version and now without. */
  #note(): Use {
    const random = this.#random;
    const op = random.pick(["get", "set", "set", "delete", "increment"])!;
    const more = op === "set" ? { value: 1, ...(random.chance(0.5) && { if_version: random.int(0, 4) }) } : {};
    const args = { op, name: "notes", key: `k${random.int(0, 2)}`, ...more, ...(op === "increment" && { delta: 1 }) };
    return { tool: "shared_map", args, answered: nothing };
  }

  #pop(): Use {
    const args = { op: "pop", name: "queue0", max: this.#random.int(1, 3), timeout_ms: this.#random.int(100, 5000) };
    return {
      tool: "message_queue",
      args,
      answered: ({ result }, by) => this.#ledger.taken((result as { messages?: unknown[] })?.messages ?? [], by),
    };
  }

  /** Of somebody outside, who may answer (client.ts) or not. */
  #ask(): Use {
    const random = this.#random;
    const more = { ask: "What now?", timeout_ms: random.int(1000, 30_000) };
    if (random.chance(0.5)) {
      const names = random.chance(0.7)
        ? { name: this.#ledger.token() }
        : { names: ["a", "b"].map((one) => `${one}-${this.#ledger.token()}`) };
      return { tool: "future", args: { op: "await", ...names, ...more }, answered: nothing };
    }
    return {
      tool: "message_queue",
      args: { op: "pop", name: "answers", ...more },
      answered: ({ result }, by) => this.#ledger.taken((result as { messages?: unknown[] })?.messages ?? [], by),
    };
  }

  #acquire(name: string): Use {
    const timeout = this.#random.chance(0.7) ? { timeout_ms: this.#random.int(100, 10_000) } : {};
    return {
      tool: "lock",
      args: { op: "acquire", name, ...timeout },
      answered: ({ result }) => {
        const token = (result as { token?: number } | undefined)?.token;
        if (token !== undefined) this.#locks.set(name, token);
      },
    };
  }

  /** A tool that a pull worker carries out. */
  #probe(): Use {
    const token = this.#ledger.token();
    return {
      tool: probeTool.name,
      args: { say: token },
      answered: ({ result }) => {
        const said = (result as { said?: string } | undefined)?.said;
        if (said !== undefined && said !== token) throw new Error(`[M3] the call of ${token} is answered with ${said}`);
      },
    };
  }

  #create(): Use {
    const token = this.#ledger.token();
    const pool = this.#random.pick(["hosted", "laptop"])!;
    return {
      tool: "create_task",
      args: { key: token, title: token, instructions: "do a part of it", pool, on_context_too_long: { last: 2 } },
      answered: ({ result }) => {
        if (result === undefined) return;
        this.#keys.push(token);
        this.#ledger.acknowledge(token);
      },
    };
  }
}
