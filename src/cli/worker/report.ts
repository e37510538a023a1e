/** What a worker tells about itself: a live line on a terminal, plain lines elsewhere, or JSON lines for programs. */

import { duration } from "../../duration.ts";
import { busyNoteEveryMs, loadReportEveryMs } from "../../limits.ts";
import { oneLine } from "../plain-text.ts";
import { note, sayEvent } from "../screen/output.ts";
import { Terminal } from "../terminal.ts";
import type { Holding } from "./load/load-watch.ts";
import type { MachineLoad } from "./load/machine.ts";
import { givenBack, type Verdict } from "./verdict.ts";

/** What a report is about: a task, or a call of a tool. */
export interface Subject {
  readonly id: string;
  /** As a person may know it. */
  readonly name: string;
  readonly attempt: number;
  /** As a program knows it. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface WorkReport {
  started(subject: Subject): void;
  /** What it does now, if that is known. */
  doing(subject: Subject, text: string): void;
  ended(subject: Subject, verdict: Verdict, ms: number): void;
  /** It was cancelled or given to another worker; nothing was delivered. */
  lost(subject: Subject, ms: number): void;
  /** The server refused the result for another reason. */
  undelivered(subject: Subject, error: unknown): void;
  /** How busy the machine is, and why places stay free if they do. */
  load(load: MachineLoad, holding: Holding | undefined): void;
  trouble(error: unknown): void;
  away(url: string): void;
  here(): void;
  say(text: string): void;
  close(): void;
}

/** `noun`: what is waited for, in the plural. */
export function workReport(json: boolean, noun: string): WorkReport {
  if (json) return new JsonReport();
  return process.stderr.isTTY ? new LiveReport(noun) : new PlainReport(noun);
}

class PlainReport implements WorkReport {
  protected readonly noun: string;
  #isAway = false;
  #busySaidAt = 0;
  constructor(noun: string) {
    this.noun = noun;
  }
  say(text: string): void {
    note(text);
  }
  started(_subject: Subject): void {}
  doing(_subject: Subject, _text: string): void {}
  ended(subject: Subject, verdict: Verdict, ms: number): void {
    this.say(
      verdict.ok
        ? `${named(subject)} ${verdict.isError ? "answered with an error" : "succeeded"} in ${duration(ms)}`
        : failureLine(subject, verdict, ms),
    );
  }
  lost(subject: Subject, ms: number): void {
    this.say(
      `${named(subject)} lost its lease after ${duration(ms)}: cancelled, out of time, or given to another worker`,
    );
  }
  undelivered(subject: Subject, error: unknown): void {
    this.say(`${named(subject)} could not be delivered: ${messageOf(error)}`);
  }
  load(load: MachineLoad, holding: Holding | undefined): void {
    if (holding === undefined || Date.now() - this.#busySaidAt < busyNoteEveryMs) return;
    this.#busySaidAt = Date.now();
    const flag = holding === "busy" ? " --max-load says how busy it may be." : "";
    this.say(`No new ${this.noun} for now: ${why(holding)} (${loadText(load)}).${flag}`);
  }
  trouble(error: unknown): void {
    this.say(messageOf(error));
  }
  away(url: string): void {
    if (!this.#isAway) this.say(`${url} can't be reached; trying again until it is back. What runs goes on.`);
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
  readonly #running = new Map<string, Subject>();
  readonly #doing = new Map<string, string>();
  #succeeded = 0;
  #other = 0;
  #load = "";
  override say(text: string): void {
    this.#terminal.say(text);
  }
  override started(subject: Subject): void {
    this.#running.set(subject.id, subject);
    this.#draw();
  }
  override doing(subject: Subject, text: string): void {
    this.#doing.set(subject.id, text);
    this.#draw();
  }
  override ended(subject: Subject, verdict: Verdict, ms: number): void {
    if (verdict.ok) this.#succeeded++;
    else {
      this.#other++;
      this.say(failureLine(subject, verdict, ms));
    }
    this.#leave(subject);
  }
  override lost(subject: Subject, ms: number): void {
    super.lost(subject, ms);
    this.#other++;
    this.#leave(subject);
  }
  override undelivered(subject: Subject, error: unknown): void {
    super.undelivered(subject, error);
    this.#other++;
    this.#leave(subject);
  }
  override load(load: MachineLoad, holding: Holding | undefined): void {
    const text = loadText(load);
    this.#load = `${text === "" ? "" : `   ${text}`}${holding === undefined ? "" : `   no new ${this.noun}: ${why(holding)}`}`;
    this.#draw();
  }
  override close(): void {
    this.#terminal.clear();
    if (this.#succeeded + this.#other > 0) note(this.#counts());
  }
  #leave(subject: Subject): void {
    this.#running.delete(subject.id);
    this.#doing.delete(subject.id);
    this.#draw();
  }
  #counts(): string {
    return `${this.#succeeded} succeeded${this.#other > 0 ? `, ${this.#other} not` : ""}`;
  }
  #draw(): void {
    const names = [...this.#running.values()]
      .map((subject) => {
        const doing = this.#doing.get(subject.id);
        return doing === undefined ? named(subject) : `${named(subject)} (${oneLine(doing).slice(0, 60)})`;
      })
      .join(", ");
    const running = this.#running.size === 0 ? `waiting for ${this.noun}` : `running ${this.#running.size}: ${names}`;
    this.#terminal.draw([`${this.#counts()}${this.#load}; ${running}`]);
  }
}

class JsonReport implements WorkReport {
  #loadSaidAt = Date.now();
  #held: Holding | undefined;
  say(text: string): void {
    sayEvent("note", { text });
  }
  started({ fields, attempt }: Subject): void {
    sayEvent("started", { ...fields, attempt });
  }
  doing({ fields }: Subject, text: string): void {
    sayEvent("doing", { ...fields, text });
  }
  ended({ fields }: Subject, verdict: Verdict, ms: number): void {
    if (!verdict.ok) sayEvent("failed", { ...fields, ms, error: verdict.error, retryable: verdict.retryable });
    else sayEvent("succeeded", { ...fields, ms, ...(verdict.isError && { is_error: true }) });
  }
  lost({ fields }: Subject, ms: number): void {
    sayEvent("lost", { ...fields, ms });
  }
  undelivered({ fields }: Subject, error: unknown): void {
    sayEvent("undelivered", { ...fields, text: messageOf(error) });
  }
  load({ cpu, memory, loadAverage }: MachineLoad, holding: Holding | undefined): void {
    if (holding === this.#held && Date.now() - this.#loadSaidAt < loadReportEveryMs) return;
    this.#held = holding;
    this.#loadSaidAt = Date.now();
    sayEvent("load", { cpu, memory, load_average: loadAverage, holding: holding ?? null });
  }
  trouble(error: unknown): void {
    sayEvent("trouble", { text: messageOf(error) });
  }
  away(url: string): void {
    sayEvent("server_away", { url });
  }
  here(): void {}
  close(): void {}
}

const named = ({ name }: Subject): string => oneLine(name).slice(0, 60);

function failureLine(subject: Subject, { error, retryable }: Verdict & { ok: false }, ms: number): string {
  if (error.code === givenBack.error.code) return `${named(subject)} was given back after ${duration(ms)}`;
  const again = retryable ? " (may be retried)" : "";
  return `${named(subject)} failed after ${duration(ms)}${again}: ${oneLine(error.message).slice(0, 300)}`;
}

const why = (holding: Holding): string =>
  holding === "rate_limit" ? "a command has met a rate limit" : "the machine is busy";

/** `cpu 45 %, memory 60 %, load 1.2` */
const loadText = ({ cpu, memory, loadAverage }: MachineLoad): string =>
  [
    cpu !== undefined && `cpu ${Math.round(cpu * 100)} %`,
    memory !== undefined && `memory ${Math.round(memory * 100)} %`,
    loadAverage !== undefined && `load ${loadAverage.toFixed(1)}`,
  ]
    .filter(Boolean)
    .join(", ");

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
