/** What a worker tells about itself: a live line on a terminal, plain lines elsewhere, or JSON lines for programs. */

import type { Lease } from "../../client/replies.ts";
import { duration, oneLine } from "../plain-text.ts";
import { Terminal } from "../terminal.ts";
import type { Verdict } from "./verdict.ts";

type Task = Lease["task"];

export interface WorkReport {
  started(task: Task): void;
  ended(task: Task, verdict: Verdict, ms: number): void;
  /** The task was cancelled or given to another worker; nothing was delivered. */
  lost(task: Task, ms: number): void;
  /** The server refused the result for another reason. */
  undelivered(task: Task, error: unknown): void;
  trouble(error: unknown): void;
  away(url: string): void;
  here(): void;
  say(text: string): void;
  close(): void;
}

export function workReport(json: boolean): WorkReport {
  if (json) return new JsonReport();
  return process.stderr.isTTY ? new LiveReport() : new PlainReport();
}

class PlainReport implements WorkReport {
  #isAway = false;
  say(text: string): void {
    process.stderr.write(`${text}\n`);
  }
  started(_task: Task): void {}
  ended(task: Task, verdict: Verdict, ms: number): void {
    this.say(verdict.ok ? `${named(task)} succeeded in ${duration(ms)}` : failureLine(task, verdict, ms));
  }
  lost(task: Task, ms: number): void {
    this.say(`${named(task)} lost its lease after ${duration(ms)}: cancelled, or given to another worker`);
  }
  undelivered(task: Task, error: unknown): void {
    this.say(`${named(task)} could not be delivered: ${messageOf(error)}`);
  }
  trouble(error: unknown): void {
    this.say(messageOf(error));
  }
  away(url: string): void {
    if (!this.#isAway) this.say(`${url} can't be reached; trying again until it is back. Running commands go on.`);
    this.#isAway = true;
  }
  here(): void {
    if (this.#isAway) this.say("The server is back.");
    this.#isAway = false;
  }
  close(): void {}
}

class LiveReport extends PlainReport {
  readonly #terminal = new Terminal(process.stderr);
  readonly #running = new Map<string, Task>();
  #succeeded = 0;
  #other = 0;
  override say(text: string): void {
    this.#terminal.say(text);
  }
  override started(task: Task): void {
    this.#running.set(task.id, task);
    this.#draw();
  }
  override ended(task: Task, verdict: Verdict, ms: number): void {
    if (verdict.ok) this.#succeeded++;
    else {
      this.#other++;
      this.say(failureLine(task, verdict, ms));
    }
    this.#leave(task);
  }
  override lost(task: Task, ms: number): void {
    super.lost(task, ms);
    this.#other++;
    this.#leave(task);
  }
  override undelivered(task: Task, error: unknown): void {
    super.undelivered(task, error);
    this.#other++;
    this.#leave(task);
  }
  override close(): void {
    this.#terminal.clear();
    if (this.#succeeded + this.#other > 0) process.stderr.write(`${this.#counts()}\n`);
  }
  #leave(task: Task): void {
    this.#running.delete(task.id);
    this.#draw();
  }
  #counts(): string {
    return `${this.#succeeded} succeeded${this.#other > 0 ? `, ${this.#other} not` : ""}`;
  }
  #draw(): void {
    const names = [...this.#running.values()].map(named).join(", ");
    this.#terminal.draw([
      `${this.#counts()}; ${this.#running.size === 0 ? "waiting for tasks" : `running ${this.#running.size}: ${names}`}`,
    ]);
  }
}

class JsonReport implements WorkReport {
  say(text: string): void {
    this.#line("note", { text });
  }
  started(task: Task): void {
    this.#line("started", { task: task.id, key: task.key, attempt: task.attempt });
  }
  ended(task: Task, verdict: Verdict, ms: number): void {
    if (verdict.ok) this.#line("succeeded", { task: task.id, key: task.key, ms });
    else this.#line("failed", { task: task.id, key: task.key, ms, error: verdict.error, retryable: verdict.retryable });
  }
  lost(task: Task, ms: number): void {
    this.#line("lost", { task: task.id, key: task.key, ms });
  }
  undelivered(task: Task, error: unknown): void {
    this.#line("undelivered", { task: task.id, key: task.key, text: messageOf(error) });
  }
  trouble(error: unknown): void {
    this.#line("trouble", { text: messageOf(error) });
  }
  away(url: string): void {
    this.#line("server_away", { url });
  }
  here(): void {}
  close(): void {}
  #line(event: string, fields: Record<string, unknown>): void {
    process.stdout.write(`${JSON.stringify({ at: Date.now(), event, ...fields })}\n`);
  }
}

const named = (task: Task): string => oneLine(task.title ?? task.key ?? task.id).slice(0, 60);

const failureLine = (task: Task, verdict: Verdict & { ok: false }, ms: number): string =>
  `${named(task)} failed after ${duration(ms)}${verdict.retryable ? " (may be retried)" : ""}: ${oneLine(verdict.error.message).slice(0, 300)}`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
