/**
 * One long-lived process that carries out calls, many at once: a line of JSON each way (`--json-lines`).
 *
 * P1  Each call has at most one answer; a line of an id that no call has, or that can't be read, is told of and skipped.
 * P2  When the process dies its open calls fail as retryable, after what it had answered was read; it is started again, each
 *     time after twice as long, until it has lived for a while.
 * P3  A call that is not wanted any more is dropped: the process is told by `{"id", "cancel": true}`, and its answer is passed
 *     over. The other calls' process can't be stopped for it.
 */

import type { ChildProcess } from "node:child_process";
import type { ToolCallView } from "../../client/replies.ts";
import { sleep, within } from "../../client/sleep.ts";
import {
  droppedCallsMax,
  toolLineBytesMax,
  toolRestartMsMax,
  toolRestartMsMin,
  workKillMs,
  workStderrTailBytes,
} from "../../limits.ts";
import { oneLine } from "../plain-text.ts";
import type { Execution, Telling } from "../worker/execution.ts";
import { Guard } from "../worker/guard.ts";
import { LineReader } from "../worker/line-reader.ts";
import type { ProcessGroup } from "../worker/process-group.ts";
import { startCommand } from "../worker/start-command.ts";
import { givenBack, howEnded, type Verdict } from "../worker/verdict.ts";
import { type Answer, answerIn, idIn } from "./answer-line.ts";
import type { Carrier } from "./carrier.ts";

interface OpenCall {
  readonly telling: Telling;
  readonly answer: (verdict: Verdict) => void;
}

const shownChars = 200;

export class ToolProcess implements Carrier {
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #say: (text: string) => void;
  readonly #guard = new Guard();
  readonly #open = new Map<string, OpenCall>();
  readonly #dropped = new Set<string>();
  /** Lines of calls that came while there was no process. */
  readonly #unsent = new Map<string, object>();
  #running: { child: ChildProcess; group: ProcessGroup; ended: Promise<void> } | undefined;
  readonly #closing = new AbortController();
  readonly #living: Promise<void>;

  /** Starts the process. `say` gets what it writes to stderr, and what is wrong with it. */
  constructor(command: readonly string[], env: NodeJS.ProcessEnv, say: (text: string) => void) {
    this.#command = command;
    this.#env = env;
    this.#say = say;
    this.#living = this.#live();
  }

  isReady(): boolean {
    return this.#running !== undefined;
  }

  start(call: ToolCallView, telling: Telling): Execution {
    // A call that was dropped here may come again while its first attempt has not been answered.
    const isTaken = this.#open.has(call.id) || this.#dropped.has(call.id);
    const id = isTaken ? `${call.id}:${call.attempt}` : call.id;
    let answer = (_verdict: Verdict) => {};
    const verdict = new Promise<Verdict>((resolve) => {
      answer = resolve;
    });
    this.#open.set(id, { telling, answer });
    const { tool, arguments: args, idempotency_key, attempt, timeout_at, run, task } = call;
    const line = { id, tool, arguments: args, idempotency_key, attempt, timeout_at, run, task };
    // A poll may still have been open when the process died; the next one gets what came with it.
    if (this.#running) this.#write(line);
    else this.#unsent.set(id, line);
    const drop = () => this.#drop(id);
    return { verdict, stop: drop, kill: drop };
  }

  /** Ends the process: its input ends, then it is stopped, then killed. */
  async close(): Promise<void> {
    this.#closing.abort();
    const running = this.#running;
    if (running) {
      running.child.stdin!.end();
      await within(workKillMs, running.ended);
      await running.group.end();
    }
    await this.#living;
  }

  /** For a process that ends now. */
  kill(): void {
    this.#closing.abort();
    this.#running?.group.signal("SIGKILL");
  }

  /** Starts the process again whenever it dies, until closing. */
  async #live(): Promise<void> {
    for (let pauseMs = toolRestartMsMin; ; ) {
      const startedAt = Date.now();
      const how = await this.#once();
      if (this.#closing.signal.aborted) return;
      if (Date.now() - startedAt > toolRestartMsMax) pauseMs = toolRestartMsMin;
      this.#say(`The tool process ended: ${oneLine(how)}. It is started again in ${pauseMs / 1000} s.`);
      await sleep(pauseMs, this.#closing.signal).catch(() => undefined);
      if (this.#closing.signal.aborted) return;
      pauseMs = Math.min(2 * pauseMs, toolRestartMsMax);
    }
  }

  /** One life of the process; how it ended. */
  async #once(): Promise<string> {
    const { child, group } = startCommand(this.#command, { env: this.#env, stdin: "pipe" }, this.#guard);
    let stderrTail = "";
    const answers = new LineReader(toolLineBytesMax, (line, isCut) => this.#answered(line, isCut));
    const notes = new LineReader(workStderrTailBytes, (line) => {
      stderrTail = `${stderrTail}${line}\n`.slice(-workStderrTailBytes);
      this.#say(`${oneLine(this.#command[0]!)}: ${oneLine(line)}`);
    });
    child.stdout!.on("data", (part: Buffer) => answers.write(part));
    child.stderr!.on("data", (part: Buffer) => notes.write(part));
    child.stdin!.on("error", () => undefined); // its end is told by its exit
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const exited = new Promise<string>((resolve) => {
      child.once("error", (error) => child.pid === undefined && resolve(`it did not start: ${error.message}`));
      child.once("exit", (status, signal) => resolve(howEnded({ status, signal })));
    });
    this.#running = { child, group, ended: exited.then(() => undefined) };
    for (const line of this.#unsent.values()) this.#write(line);
    this.#unsent.clear();
    const how = await exited;
    this.#running = undefined;
    await group.end();
    // What it had answered is still in the pipe; what has left the group could hold that open for ever.
    await within(workKillMs, closed);
    answers.end();
    notes.end();
    const said = stderrTail.trimEnd();
    const end = said === "" ? how : `${how}\n${said}`;
    this.#dropped.clear();
    for (const id of [...this.#open.keys()]) if (!this.#unsent.has(id)) this.#settle(id, gone(end));
    return end;
  }

  #answered(line: string, isCut: boolean): void {
    if (line.trim() === "") return;
    const why = isCut ? this.#tooLong(line) : this.#read(answerIn(line));
    if (why !== undefined)
      this.#say(`The tool process wrote a line that ${why}; it is skipped: ${oneLine(line.slice(0, shownChars))}`);
  }

  /** Gives the answer to its call; why it could not, if so. */
  #read(answer: Answer): string | undefined {
    if ("unreadable" in answer) return answer.unreadable;
    const { id } = answer;
    const call = this.#open.get(id);
    if (!call) {
      if (!this.#dropped.has(id)) return "is for no open call";
      if ("verdict" in answer) this.#dropped.delete(id);
    } else if ("progress" in answer) call.telling.progress(answer.progress);
    else {
      if (answer.retryAfterMs !== undefined) call.telling.rateLimited(answer.retryAfterMs);
      this.#settle(id, answer.verdict);
    }
    return undefined;
  }

  /** A line of which there is only the beginning ends its call, if that names one. */
  #tooLong(beginning: string): string | undefined {
    const id = idIn(beginning);
    if (id === undefined || !this.#open.has(id)) return `is over ${toolLineBytesMax} bytes`;
    const message = `The answer is over ${toolLineBytesMax} bytes. Store it elsewhere and answer a reference.`;
    this.#settle(id, { ok: false, error: { code: "result_too_large", message }, retryable: false });
    return undefined;
  }

  #settle(id: string, verdict: Verdict): void {
    const call = this.#open.get(id);
    this.#open.delete(id);
    call?.answer(verdict);
  }

  #drop(id: string): void {
    if (!this.#open.has(id)) return;
    this.#settle(id, givenBack);
    if (this.#unsent.delete(id)) return;
    this.#dropped.add(id);
    const [oldest] = this.#dropped;
    if (this.#dropped.size > droppedCallsMax) this.#dropped.delete(oldest!);
    this.#write({ id, cancel: true });
  }

  #write(line: object): void {
    this.#running?.child.stdin?.write(`${JSON.stringify(line)}\n`);
  }
}

const gone = (how: string): Verdict => ({
  ok: false,
  error: { code: "worker_failed", message: `The process that carries out the tool is not there: ${how}` },
  retryable: true,
});
