/** A real local server: `scripts/dev.mjs` as users start it, on a free port, with a state folder of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../../scripts/lib/ports.mjs";
import type { Identity } from "../../../scripts/lib/processes.mjs";
import { Heddle } from "../../../src/client/index.ts";
import { withDatabase } from "./bundle.ts";

export const projectRoot = join(import.meta.dirname, "../../..");
const readyMs = 120_000;

interface Recorded {
  owner: Identity;
  leader: Identity;
  members: Identity[];
}

export class LocalServer {
  readonly url: string;
  readonly state: string;
  readonly heddle: Heddle;
  readonly #port: number;
  readonly #env: Record<string, string>;
  #launcher: ChildProcess | undefined;

  private constructor(port: number, state: string, env: Record<string, string>) {
    this.#port = port;
    this.#env = env;
    this.url = `http://127.0.0.1:${port}`;
    this.state = state;
    this.heddle = new Heddle({ url: this.url, key: "hdl_local" });
  }

  static async start(env: Record<string, string> = {}, root = projectRoot): Promise<LocalServer> {
    const server = new LocalServer(await freePort(), mkdtempSync(join(tmpdir(), "heddle-e2e-")), env);
    withDatabase(server.state, env.HEDDLE_CONFIG ?? process.env.HEDDLE_CONFIG);
    await server.start(root);
    return server;
  }

  /** One that somebody else started, and stops. */
  static at({ url, state }: { url: string; state: string }): LocalServer {
    return new LocalServer(Number(new URL(url).port), state, {});
  }

  /** Starts, or starts again on the same state, by the sources in `root`; resolves when it says that it is ready. */
  async start(root = projectRoot): Promise<void> {
    const env: NodeJS.ProcessEnv = { ...process.env, PORT: String(this.#port), HEDDLE_STATE: this.state };
    // A developer's own provider would be used in the simulated one's place.
    for (const name of Object.keys(env)) if (/^(ANTHROPIC|OPENAI|OTEL)_|^SEATS$/.test(name)) delete env[name];
    Object.assign(env, this.#env);
    const child = spawn(process.execPath, [join(root, "scripts/dev.mjs")], {
      cwd: root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#launcher = child;
    let shown = "";
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready in ${readyMs} ms:\n${shown}`)), readyMs);
      const look = (chunk: Buffer) => {
        shown += chunk.toString();
        if (!shown.includes("Heddle is ready")) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout?.on("data", look);
      child.stderr?.on("data", look);
      child.once("exit", (code) => {
        clearTimeout(timer);
        reject(new Error(`the server ended with ${code}:\n${shown}`));
      });
    });
  }

  /** Asks it to stop, as Ctrl-C does, and forgets its state. */
  async stop(): Promise<void> {
    await this.interrupt();
    rmSync(this.state, { recursive: true, force: true });
  }

  /** Asks it to stop, as Ctrl-C does; its exit status, or null when it did not run. */
  async interrupt(): Promise<number | null> {
    const child = this.#launcher;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    return gone;
  }

  /** Whoever serves now, as its own record has it. */
  processes(): Identity[] {
    return this.#recorded().members;
  }

  /** `kill -9` of every process of it, all at once; with `first`, one of them dies that long before the others. */
  async kill(first?: { pid: number; beforeMs: number }): Promise<void> {
    const { leader, members } = this.#recorded();
    if (first) {
      signalIfAlive(first.pid);
      await sleep(first.beforeMs);
    }
    // Wrangler replaces a runtime that died, so the record may lack the newest: the group has it.
    if (leader.pid > 1) signalIfAlive(-leader.pid);
    await this.#killed([...members.map(({ pid }) => pid), leader.pid, this.#launcher?.pid ?? 0]);
  }

  /** `kill -9` of the launcher alone: the runtime is left an orphan that goes on serving. */
  async killLauncher(): Promise<void> {
    await this.#killed([this.#launcher?.pid ?? 0]);
  }

  async #killed(pids: number[]): Promise<void> {
    const child = this.#launcher;
    const isGone = !child || child.exitCode !== null || child.signalCode !== null;
    const gone = isGone || new Promise((resolve) => child.once("exit", resolve));
    for (const pid of new Set(pids)) {
      if (pid > 0) signalIfAlive(pid);
    }
    await gone;
  }

  #recorded(): Recorded {
    return JSON.parse(readFileSync(join(this.state, "server.json"), "utf8")) as Recorded;
  }

  /** A request with the local key (or `key`), its body as the text given. */
  async call(method: string, path: string, body?: string | object, key = "hdl_local"): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, json: text === "" ? null : JSON.parse(text) };
  }
}

export interface Answer {
  status: number;
  text: string;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at what came, whatever it is
  json: any;
}

function signalIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
