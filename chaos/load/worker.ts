/**
 * Processes of `heddle work`, as they are installed: each serves for a while, is ended in one of three ways, as a rule in the middle of a task,
 * and another one is begun in its place.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, type Surroundings } from "../client.ts";
import type { Deed, Life, Worked } from "../history.ts";

const main = join(import.meta.dirname, "../../dist/cli/main.js");
const command = join(import.meta.dirname, "deed.ts");
/** So long it is waited for that one is in the middle of a task. */
const midTaskMs = 10_000;
/** Whoever is told to stop waits for a server that is away, as long as that takes. */
const stopMs = 90_000;

/** What a line of `--json` says of the task that is under way. */
const ends: Readonly<Record<string, Worked["said"]>> = {
  ...{ succeeded: "succeeded", failed: "failed", lost: "lost", undelivered: "undelivered" },
};

interface Line {
  readonly at: number;
  readonly event: string;
  readonly task?: string;
  readonly error?: { readonly code: string };
}

interface Had {
  readonly task: string;
  readonly from: number;
  to: number;
  said: Worked["said"];
}

export interface WorkOptions {
  /** Where the commands write what they do. */
  readonly deedsPath: string;
  /** Whether some are killed, or don't wait for a server that is away; else all are stopped, which leaves no lease that has to expire. */
  readonly dies: boolean;
}

export class Worker {
  readonly #client: Client;
  readonly #options: WorkOptions;
  #child: ChildProcess | undefined;
  readonly done: Promise<void>;

  constructor(around: Surroundings, name: string, options: WorkOptions) {
    this.#client = new Client(around, name);
    this.#options = options;
    this.done = this.#work();
  }

  /** Of a run that was ended before its end. */
  async stop(): Promise<void> {
    if (this.#child?.exitCode === null) this.#child.kill("SIGKILL");
  }

  async #work(): Promise<void> {
    for (let n = 1; !this.#client.over; n++) this.#client.history.live(await this.#live(`${this.#client.name}-${n}`));
  }

  async #live(worker: string): Promise<Life> {
    const client = this.#client;
    const work = ["work", "--pool", "shell", "--max-load", "100", "--json"];
    const child = spawn(process.execPath, [main, ...work, "--", process.execPath, command, this.#options.deedsPath], {
      env: { ...process.env, HEDDLE_URL: client.url, HEDDLE_API_KEY: client.key },
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child = child;
    const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const had: Had[] = [];
    let serves = false;
    createInterface({ input: child.stdout }).on("line", (text) => {
      const { at, event, task, error } = JSON.parse(text) as Line;
      serves = true;
      if (event === "started") had.push({ task: task!, from: at, to: Number.POSITIVE_INFINITY, said: null });
      const last = had.at(-1);
      if (!last || !ends[event]) return;
      last.to = at;
      last.said = error?.code === "worker_stopped" ? "given back" : ends[event];
    });
    const left = () => child.exitCode !== null || child.signalCode !== null;
    const until = async (ms: number, isSo: () => boolean) => {
      for (const end = Date.now() + ms; !left() && !isSo() && Date.now() < end; )
        await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 20))]);
    };
    await Promise.race([gone, client.pause(1500, 7000)]);
    // What is left is to be done by somebody.
    await until(Number.POSITIVE_INFINITY, () => client.over || !client.stopping);
    const isStopped = client.over || !this.#options.dies;
    let how: Life["how"] = isStopped ? "stopped" : client.random.pick(["killed", "stopped", "forced", "forced"])!;
    // Before it serves a signal ends it as it ends any process.
    await until(stopMs, () => serves);
    await until(client.over ? 0 : midTaskMs, () => had.at(-1)?.said === null || client.over);
    await client.pause(0, 500);
    if (left()) how = "left";
    client.history.note(`${worker} ${how}`);
    if (how !== "left") child.kill(how === "killed" ? "SIGKILL" : "SIGTERM");
    if (how === "forced") {
      await until(client.random.int(20, 200), () => false);
      child.kill("SIGTERM");
    }
    await until(stopMs, () => false);
    if (!left()) how = "stuck";
    if (!left()) child.kill("SIGKILL");
    await gone;
    // One that finds no server says so, and goes.
    if (how === "left") await client.pause(200, 500);
    const begun = deedsIn(this.#options.deedsPath).filter((deed) => deed.worker === child.pid && deed.what === "begun");
    return { worker, how, serves, status: child.exitCode, worked: had.map((one) => workedOf(one, begun)) };
  }
}

/** It has one task at a time: what a command began meanwhile it began for that one. */
function workedOf({ task, from, to, said }: Had, begun: readonly Deed[]): Worked {
  const deed = begun.find((one) => one.task === task && from <= one.at && one.at <= to);
  return { task, lease: deed ? { run: deed.run, fence: deed.fence } : null, said };
}

/** What all commands did, in the order in which they wrote it down. */
export function deedsIn(path: string): Deed[] {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Deed);
}
