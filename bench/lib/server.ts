/** The server under test: started on a free port with a fresh state folder, killed and started again for crash tests. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevServer, startDev } from "../../scripts/lib/dev-server.mjs";
import { Heddle } from "../../src/client/index.ts";
import type { Counters } from "./counters.ts";
import { liveHeapMb } from "./heap.ts";

/** Local mode's own, which every local server has. */
export const localOperatorSecret = "hdl_local_admin";
const config = join(import.meta.dirname, "../worker/wrangler.toml");

export class Server {
  readonly #state: string;
  readonly #variables: Record<string, string>;
  #dev: DevServer;

  private constructor(dev: DevServer, state: string, variables: Record<string, string>) {
    this.#dev = dev;
    this.#state = state;
    this.#variables = variables;
  }

  /** `variables` of the worker, over its configuration's. */
  static async start(variables: Record<string, string> = {}): Promise<Server> {
    const state = mkdtempSync(join(tmpdir(), "heddle-bench-"));
    return new Server(await boot(state, variables), state, variables);
  }

  get url(): string {
    return this.#dev.url;
  }

  get heddle(): Heddle {
    return new Heddle({ url: this.#dev.url, key: this.#dev.key });
  }

  /** `kill -9` of everything, then a start on the same state and port. Resolves when it serves again, with when the start began. */
  async killAndRestart(): Promise<number> {
    const { port } = this.#dev;
    await this.#dev.kill();
    const startedAt = performance.now();
    this.#dev = await boot(this.#state, this.#variables, port);
    return startedAt;
  }

  async stop(): Promise<void> {
    await this.#dev.stop();
    rmSync(this.#state, { recursive: true, force: true });
  }

  /** The client of a tenant made for this. */
  async newTenant(name: string): Promise<Heddle> {
    return new Heddle({ url: this.#dev.url, key: await this.newKey(name) });
  }

  /** The key of a tenant made for this. */
  async newKey(name: string): Promise<string> {
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${localOperatorSecret}`, "content-type": "application/json" };
      const reply = await fetch(this.#dev.url + path, { method: "POST", headers, body: JSON.stringify(body) });
      if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
      return (await reply.json()) as { id: string; key: string };
    };
    const { id } = await post("/admin/tenants", { name });
    return (await post(`/admin/tenants/${id}/keys`, { name })).key;
  }

  counters(run: string): Promise<Counters> {
    return this.#get(`/bench/counters?run=${run}`) as Promise<Counters>;
  }

  /** Milliseconds of each of some committed RPCs, one after another. */
  floor(hops: number): Promise<number[]> {
    return this.#get(`/bench/floor?hops=${hops}`) as Promise<number[]>;
  }

  /** The client's milliseconds of tasks that are a timer and one committed RPC each, and nothing of Heddle. */
  async floorTasks({ tasks, seats, ms }: { tasks: number; seats: number; ms: number }): Promise<number> {
    const start = performance.now();
    await this.#get(`/bench/floor-tasks?tasks=${tasks}&seats=${seats}&ms=${ms}`);
    return performance.now() - start;
  }

  /** W4 with callers inside the platform: the counter that they leave. */
  contend(run: string, callers: number, rounds: number): Promise<number> {
    return this.#get(`/bench/contend?run=${run}&callers=${callers}&rounds=${rounds}`) as Promise<number>;
  }

  /** W5 with callers inside the platform: milliseconds from one receipt to the next. */
  pingPong(run: string, messages: number): Promise<number[]> {
    return this.#get(`/bench/ping-pong?run=${run}&messages=${messages}`) as Promise<number[]>;
  }

  /** Adds by callers inside the platform, spread over so many atomics: their sum. */
  add(
    run: string,
    { callers, each, variables }: { callers: number; each: number; variables: number },
  ): Promise<number> {
    return this.#get(`/bench/add?run=${run}&callers=${callers}&each=${each}&variables=${variables}`) as Promise<number>;
  }

  /** Milliseconds of each of some HTTP calls that do nothing, one after another: the development server's own. */
  async httpFloor(calls: number): Promise<number[]> {
    const took: number[] = [];
    for (let i = 0; i < calls; i++) {
      const start = performance.now();
      await this.#get("/bench/nothing");
      took.push(performance.now() - start);
    }
    return took;
  }

  /** Whether seats that open from now on tell what they measure beside their work. */
  async workerExtras(on: boolean): Promise<void> {
    await this.#get(`/bench/extras?on=${on}`);
  }

  pids(): number[] {
    return this.#dev.pids();
  }

  /** The worker's own live heap, in MB; undefined where it can't be read. */
  heapMb(): Promise<number | undefined> {
    return liveHeapMb(this.pids());
  }

  /** Resident memory of all of its processes, in MB; most of it is the development server's. */
  residentMb(): number {
    let kb = 0;
    for (const pid of this.pids()) {
      try {
        kb += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
      } catch {
        // It has ended, or there is no /proc here: then the sum is of those that can be read.
      }
    }
    return kb / 1024;
  }

  async #get(path: string): Promise<unknown> {
    const reply = await fetch(this.#dev.url + path);
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }
}

/** The environment is left out: a developer's own provider keys must not be used up. */
const boot = (state: string, environment: Record<string, string>, port = 0): Promise<DevServer> =>
  startDev({ state, port, config, environment });
