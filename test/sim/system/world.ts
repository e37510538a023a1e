/**
 * The whole system from one seed: the real objects of runs, gates and variables, the real turn loop of seats, pull workers,
 * agents outside and a provider, on a platform (`platform/`) that loses, delays, doubles and reorders what it may, and ends
 * anything at any time.
 *
 * Owns: who takes part, when faults strike, what is checked and when. Does not own any decision of the system's.
 *
 * Safety is looked at whenever something becomes durable or is acknowledged (`RunWatch`, `Ledger`). When faults stop,
 * everybody does their best, and within `healMs` all tasks must have ended and nothing be left behind.
 */

import { serveSeat } from "../../../src/agent/seat.ts";
import { runAttempt } from "../../../src/agent/turn-loop.ts";
import { runIdOf } from "../../../src/ids.ts";
import { meterRuns } from "../../../src/meter-runs.ts";
import { takeDeadLetters } from "../../../src/objects/dead-letters.ts";
import { DeploymentGate } from "../../../src/objects/deployment-gate.ts";
import { gateStub, runStub } from "../../../src/objects/env.ts";
import { RunScheduler } from "../../../src/objects/run-scheduler.ts";
import { SharedVariable } from "../../../src/objects/shared-variable.ts";
import { sweepRuns } from "../../../src/objects/sweep/sweep.ts";
import { TenantGate } from "../../../src/objects/tenant-gate.ts";
import { defaultModel } from "../../../src/served-by.ts";
import { pushWebhook } from "../../../src/webhook-push/push.ts";
import { webhookWildcards } from "../../../src/webhooks/types.ts";
import { Random } from "../random.ts";
import { RuleWorld } from "../rule-worlds.ts";
import { idemOf, persist } from "./calls.ts";
import { Client, Follower, type RunPlan } from "./client.ts";
import { FakeEndpoint } from "./fake-endpoint.ts";
import { FakeModel } from "./fake-model.ts";
import { Ledger, tokensIn } from "./ledger.ts";
import { Cloud } from "./platform/cloud.ts";
import { type FaultKind, Faults } from "./platform/faults.ts";
import { drained, replaceGlobals } from "./platform/globals.ts";
import type { ObjectClass } from "./platform/objects.ts";
import { Process } from "./platform/process.ts";
import { Timeline } from "./platform/timeline.ts";
import { PullWorker, type Staff } from "./pull-worker.ts";
import { RunWatch } from "./run-watch.ts";
import { probeTool } from "./toolbox.ts";

const second = 1000;
const minute = 60 * second;
/** After the last fault everything is as it should be within this time. */
const healMs = 30 * minute;
/** What nobody needs any more is gone within this time: the longest long poll, and a seat's time. */
const quietMs = 5 * minute;
/** More than any run spends. */
const enoughTokens = 10_000_000;
/** An alarm rings within this time: an idle run's is the last. */
const longest = 2 * 24 * 60 * minute;
const tenant = "tenant";
/** What the model that serves a world costs a token, in nanodollars: by the list, and by a tenant's own prices. */
const model = defaultModel("anthropic");
const listed = { input: 3000, output: 15_000 };
const own = { input: 2000, output: 11_000 };
const ownPrices = JSON.stringify({ [model]: { input: own.input / 1000, output: own.output / 1000 } });

interface Person {
  readonly name: string;
  readonly begin: () => Promise<void>;
  process: Process;
}

export class World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #timeline = new Timeline(1_700_000_000_000);
  readonly #ledger = new Ledger();
  readonly #cloud: Cloud;
  readonly #model: FakeModel;
  readonly #endpoint: FakeEndpoint;
  readonly #watches = new Map<string, RunWatch>();
  readonly #plans: RunPlan[] = [];
  readonly #clients: Client[] = [];
  readonly #followers: { readonly follower: Follower; readonly run: string }[] = [];
  readonly #people: Person[] = [];
  readonly #startedAt = this.#timeline.now;
  #isOver = false;
  /** Not even the cron comes. */
  #isAtRest = false;
  #failure: unknown;
  #digest = 0;
  steps = 0;
  /** Everything that happened, a line each. */
  readonly trace: string[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#faults = new Faults(this.#random);
    const around = {
      timeline: this.#timeline,
      random: this.#random,
      faults: this.#faults,
      note: (text: string) => this.#note(text),
    };
    const classes = {
      RUNS: RunScheduler as unknown as ObjectClass,
      GATES: TenantGate as unknown as ObjectClass,
      VARIABLES: SharedVariable as unknown as ObjectClass,
      DEPLOYMENT: DeploymentGate as unknown as ObjectClass,
    };
    // In half of the worlds there are fewer seats than runs could use, down to fewer than runs.
    this.#cloud = new Cloud(around, classes, seed % 2 === 0 ? { HEDDLE_SEATS: `${1 + (seed % 3)}` } : {});
    // In a sixth the tenant's day has fewer tokens than its runs want.
    if (seed % 6 === 5) this.#setQuotas(JSON.stringify({ tokens_per_day: 5000 * (1 + (seed % 5)) }));
    this.#model = new FakeModel(this.#random, this.#ledger, this.#faults, this.#isScarce ? 1 + (seed % 4) : undefined);
    this.#endpoint = new FakeEndpoint(this.#random, this.#faults);
  }

  /** In a fifth the provider takes fewer calls at once than runs would make, and does not say so. */
  get #isScarce(): boolean {
    return this.#seed % 5 === 2;
  }

  /** Calls that the provider's hidden limit refused. */
  get refused(): number {
    return this.#model.refused;
  }

  /** Differs when anything that happened does. */
  get digest(): number {
    return this.#digest;
  }

  get faults(): ReadonlyMap<FaultKind, number> {
    return this.#faults.happened;
  }

  get eventTypes(): ReadonlySet<string> {
    return new Set([...this.#watches.values()].flatMap(({ types }) => types));
  }

  get deadSeatsTold(): number {
    return [...this.#watches.values()].reduce((sum, { deadSeatsTold }) => sum + deadSeatsTold, 0);
  }

  get quotaPauses(): number {
    return [...this.#watches.values()].reduce((sum, { quotaPauses }) => sum + quotaPauses, 0);
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged;
  }

  /** From the first call to the last check. @throws what did not hold */
  async live(): Promise<void> {
    const restore = replaceGlobals(this.#timeline, this.#random, (...what) => this.#logged(what));
    try {
      this.#prepare();
      await this.#until(this.#random.int(1, 4) * minute, () => false);
      await this.#heal();
      await this.#quiet();
      this.#checkEnd();
    } finally {
      restore();
      this.#cloud.close();
    }
  }

  #note(text: string): void {
    const line = `${((this.#timeline.now - this.#startedAt) / second).toFixed(3)} ${text}`;
    for (let i = 0; i < line.length; i++) this.#digest = (Math.imul(this.#digest, 31) + line.charCodeAt(i)) | 0;
    this.trace.push(line);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** What the objects report to the operator's log. */
  #logged(what: readonly unknown[]): void {
    this.#note(`log: ${what.map((one) => (one instanceof Error ? `${one.message}` : JSON.stringify(one))).join(" ")}`);
  }

  #setQuotas(quotas: string): void {
    const row = `VALUES ('${tenant}', 'them', 0, '${quotas}')`;
    this.#cloud.index.rows(`INSERT OR REPLACE INTO tenants (id, name, created_at, quotas) ${row}`);
  }

  // ---- who takes part ----------------------------------------------------------------------------------------------------

  #prepare(): void {
    const random = this.#random;
    const staff: Staff = {
      env: this.#cloud.env,
      random,
      ledger: this.#ledger,
      faults: this.#faults,
      tenant,
      // A quarter of the worlds: those that found something before there were any stay what they were.
      scopes: this.#seed % 4 === 0,
      // A fifth of the worlds, for the same reason.
      doubts: this.#seed % 5 === 3,
      fail: (error) => this.#fail(error),
      isOver: () => this.#isOver,
      openOf: (key) =>
        this.#plans.flatMap(({ input: { run } }) => {
          const open = this.#watches.get(`${tenant}/${run}`)?.openOf(key) ?? [];
          return open.map((lease) => ({ run, ...lease }));
        }),
    };
    this.#cloud.onNewHost = (namespace, name, host) => {
      if (namespace !== "RUNS") return;
      const watch = new RunWatch(host, this.#ledger);
      const plan = this.#plans.find(({ input }) => name === `${tenant}/${input.run}`);
      watch.price = plan?.input.prices === undefined ? listed : own;
      this.#watches.set(name, watch);
      host.onFlush = () => this.#guarded(() => watch.flushed((text) => this.#note(text)));
      host.onEnd = () => this.#guarded(() => watch.check());
    };
    const env = { ANTHROPIC_API_KEY: "none" };
    this.#cloud.queues.serve = (ticket, isolate) => {
      const scheduler = () => runStub(this.#cloud.env, ticket.tenant, ticket.run);
      if (ticket.webhook) return pushWebhook(ticket, scheduler, (_url, message) => this.#endpoint.take(message));
      return serveSeat(ticket, scheduler, env, {
        attempt: (work, ports) => runAttempt(work, { ...ports, callModel: this.#model.callOf(ticket.run) }),
        cache: isolate.cache,
      });
    };
    this.#cloud.queues.bury = (batch) => takeDeadLetters(batch, this.#cloud.env);
    for (let i = random.int(1, 2); i > 0; i--) this.#plans.push(this.#newPlan());
    for (const plan of this.#plans) {
      const client = new Client(staff, plan);
      this.#clients.push(client);
      this.#add(`client of ${plan.input.run.slice(0, 8)}`, () => client.live());
      if (random.chance(0.5)) {
        const follower = new Follower(staff, plan);
        this.#followers.push({ follower, run: plan.input.run });
        this.#add(`follower of ${plan.input.run.slice(0, 8)}`, () => follower.live());
      }
    }
    for (let i = random.int(1, 3); i > 0; i--) {
      const name = `worker ${i}`;
      this.#add(name, () => new PullWorker(name, staff).work());
    }
    this.#planSweep();
  }

  #newPlan(): RunPlan {
    const random = this.#random;
    const run = runIdOf(Uint8Array.from({ length: 20 }, () => random.int(0, 255)));
    const limits = {
      workers: random.int(1, 5) + (this.#isScarce ? 6 : 0),
      tasks: random.int(10, 40),
      stall_ms: 20_000,
      pools: ["hosted", "laptop"],
      ...(random.chance(0.3) && { hold_ms: random.int(2, 20) * second }),
      ...(random.chance(0.3) && { tokens: random.int(15_000, 60_000) }),
    };
    const context = { format: "anthropic" as const, messages: [JSON.stringify({ role: "user", content: "Do it." })] };
    const root = {
      title: this.#ledger.token(),
      instructions: "Lead it.",
      on_context_too_long: { last: 2 },
      ...(random.chance(0.3) && { pool: "laptop" }),
    };
    const input = {
      ...{ tenant, run, context, limits },
      tools: [probeTool],
      // In a quarter of the worlds some are on the run as a whole.
      ...(random.chance(0.4) && {
        rules: { rules: new RuleWorld(random, false, this.#seed % 4 === 0).some(), text: "" },
      }),
      ...(random.chance(0.25) && { root }),
      // In a quarter of the worlds, of two runs one: the other began before its tenant had prices of its own.
      ...(this.#seed % 4 === 3 && this.#plans.length === 0 && { prices: ownPrices }),
      // A third of the worlds.
      ...(this.#seed % 3 === 1 && { webhook: { url: "https://hooks.example/", events: [...webhookWildcards] } }),
    };
    return { input, known: [], isCreated: false, isToGo: random.chance(0.15) };
  }

  #add(name: string, begin: () => Promise<void>): void {
    const person = { name, begin, process: new Process(name) };
    this.#people.push(person);
    this.#begin(person);
  }

  #begin(person: Person): void {
    const process = new Process(person.name);
    person.process = process;
    process.run(() => person.begin()).catch((error) => process.isAlive && this.#fail(error));
  }

  #planSweep(): void {
    this.#timeline.plan(minute, "cron", () => {
      if (this.#isAtRest) return;
      this.#planSweep();
      if (this.#faults.strikes("lostSweep")) return;
      const { env } = this.#cloud;
      new Process("cron").run(() => sweepRuns(env)).catch(() => undefined);
      new Process("meter")
        .run(() => meterRuns(env.DB, (run) => runStub(env, run.tenant, run.id).meter()))
        .catch(() => undefined);
    });
  }

  // ---- time --------------------------------------------------------------------------------------------------------------

  /** Things happen until it is so, or for that long; answers whether it is so. */
  async #until(ms: number, isSo: () => boolean): Promise<boolean> {
    const end = this.#timeline.now + ms;
    for (;;) {
      if (isSo()) return true;
      const entry = this.#timeline.next(end);
      if (!entry) return false;
      this.steps++;
      this.#note(entry.label);
      entry.act();
      await drained();
      for (const host of this.#cloud.hosts) host.settle();
      if (this.#faults.areOn) this.#strike();
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Faults that come between two steps. */
  #strike(): void {
    const random = this.#random;
    const loaded = this.#cloud.hosts.filter((host) => host.isLoaded);
    if (this.#faults.strikes("crash")) random.pick(loaded)?.end(random.chance(0.5), "crash");
    if (random.chance(0.01)) random.pick(loaded)?.evict();
    if (this.#faults.strikes("deploy")) {
      for (const host of loaded) host.end(random.chance(0.5), "deployment");
      for (const isolate of [...this.#cloud.queues.isolates]) this.#cloud.queues.end(isolate);
    }
    if (this.#faults.strikes("seatsCrash")) {
      const isolate = random.pick(this.#cloud.queues.isolates);
      if (isolate) this.#cloud.queues.end(isolate);
    }
    if (this.#faults.strikes("workerCrash"))
      this.#restart(random.pick(this.#people.filter(({ name }) => name.startsWith("worker")))!);
    if (this.#faults.strikes("clockStep")) {
      const ahead = random.int(-180, 180) * second;
      const host = random.pick(this.#cloud.hosts);
      this.#note(`the clock of ${host?.name} is ${ahead} ms ahead`);
      host?.setClock(ahead);
    }
  }

  #restart(person: Person): void {
    this.#note(`${person.name} ends, and another begins`);
    person.process.isAlive = false;
    this.#begin(person);
  }

  // ---- the end -----------------------------------------------------------------------------------------------------------

  /** Faults stop: everything heals. */
  async #heal(): Promise<void> {
    this.#note("faults stop");
    this.#faults.stop();
    for (const client of this.#clients) client.isStopping = true;
    for (const host of this.#cloud.hosts) host.setClock(0);
    const operator = new Process("operator");
    const ended = new Set<string>();
    const isCreated = await this.#until(healMs, () => this.#plans.every((plan) => plan.isCreated));
    const plans = this.#plans.filter((plan) => !plan.isToGo);
    this.#setQuotas("{}");
    operator.run(() => gateStub(this.#cloud.env, tenant).quotasChanged()).catch((error) => this.#fail(error));
    if (!isCreated) throw new Error("[liveness] a run was never created");
    // What they still do, a budget that is too small above all, comes before what the operator does.
    if (!(await this.#until(healMs, () => this.#clients.every((client) => client.isDone))))
      throw new Error("[liveness] a client is not answered");
    for (const { input } of plans) {
      const run = () => runStub(this.#cloud.env, tenant, input.run);
      operator
        .run(async () => {
          if (input.rules)
            await persist(() => run().setRules({ rules: new RuleWorld(this.#random, false).lasting(), text: "" }));
          await persist(() => run().resume(idemOf(`resume ${input.run}`)));
          const tokens = enoughTokens;
          if (input.limits.tokens) await persist(() => run().budget({ tokens }, idemOf(`budget ${input.run}`)));
        })
        .catch((error) => this.#fail(error));
    }
    const allEnded = () =>
      plans.every(({ input }) => {
        const { state } = this.#watches.get(`${tenant}/${input.run}`)!;
        return state.liveCount() === 0;
      });
    if (!(await this.#until(healMs, allEnded))) throw new Error(`[liveness] live after ${healMs} ms: ${this.#live()}`);
    // What is still under way arrives: a call whose caller has given up. Then the sweep comes, and comes again.
    await this.#until(3 * minute, () => false);
    for (const { input } of plans) this.#checkIndex(input.run);
    for (const { input } of plans) {
      const run = () => runStub(this.#cloud.env, tenant, input.run);
      operator
        .run(async () => {
          await this.#checkVariables(input.run);
          const reply = await persist(() => run().finishRun({ cancel: false }, idemOf(`finish ${input.run}`)));
          if (!reply?.ok) throw new Error(`[liveness] the run can't be finished: ${JSON.stringify(reply)}`);
          ended.add(input.run);
        })
        .catch((error) => this.#fail(error));
    }
    if (!(await this.#until(healMs, () => ended.size === plans.length))) throw new Error("[liveness] no run's end");
    // A message that failed just before faults stopped has its next try within the pauses of so few.
    const told = () => plans.every(({ input }) => !input.webhook || this.#untold(input.run).length === 0);
    if (!(await this.#until(healMs, told))) throw new Error("[liveness] a webhook was not told of everything");
  }

  #untold(run: string): number[] {
    return this.#endpoint.missing(run, this.#watches.get(`${tenant}/${run}`)!.toTell);
  }

  /** Nothing happens in the run: the index says what it does. */
  #checkIndex(run: string): void {
    const { status, endedAt } = this.#watches.get(`${tenant}/${run}`)!.state.header;
    const row = this.#cloud.index.rows("SELECT id, status, ended_at FROM runs").find(({ id }) => id === run);
    if (row?.status !== status || row.ended_at !== (endedAt || null))
      throw new Error(`[X1] the run is ${status} ${endedAt}, and in the index: ${JSON.stringify(row)}`);
  }

  #live(): string {
    const states = [...this.#watches.values()].flatMap(({ state }) =>
      Array.from({ length: state.header.taskCount }, (_, i) => state.peek(i + 1)!)
        .filter(({ phase }) => !["succeeded", "failed", "cancelled", "skipped"].includes(phase.state))
        .map(({ n, pool, phase, calls }) => JSON.stringify({ n, pool, phase, calls })),
    );
    return states.join(" ");
  }

  /** What the data variables hold, as whoever asks is told. */
  async #checkVariables(run: string): Promise<void> {
    const call = async (tool: string, args: object) => {
      const input = { tool, arguments: JSON.stringify(args), waitMs: 0 };
      const reply = await persist(() => runStub(this.#cloud.env, tenant, run).callTool(input));
      if (!reply?.ok || !("result" in reply.value)) return undefined;
      return reply.value.result as { items?: string[]; value?: number };
    };
    const ledger = this.#ledger.ofRun(run);
    const { uses } = this.#watches.get(`${tenant}/${run}`)!;
    for (const list of ledger.lists) {
      const items = (await call("shared_list", { op: "slice", name: list }))?.items ?? [];
      ledger.checkList(
        list,
        items.map((item) => tokensIn(item)[0]!),
      );
      uses.checkList(list, items.length);
      const fences = items.map((item) => Number(item.split("@")[1] ?? 0));
      for (let i = 1; i < fences.length; i++)
        if (fences[i]! < fences[i - 1]!) throw new Error(`[V5] ${list} has an old token after a newer: ${fences}`);
    }
    const sum = Number((await call("atomic", { op: "get", name: "sum" }))?.value ?? 0);
    ledger.checkSum(sum);
    uses.checkSum("sum", sum);
  }

  /** Nobody asks for anything more: what was there for them goes, and alarms ring once more for nothing. */
  async #quiet(): Promise<void> {
    this.#isOver = true;
    await this.#until(quietMs, () => false);
    this.#isAtRest = true;
    await this.#until(minute, () => false);
    this.#checkNothingLeft();
    await this.#until(longest, () => false);
    const [still] = this.#timeline.planned;
    const alarms = this.#cloud.hosts.filter((host) => host.alarm !== undefined).map(({ name }) => name);
    if (still || alarms.length > 0) throw new Error(`[liveness] never at rest: ${still?.label ?? alarms}`);
  }

  #checkEnd(): void {
    for (const { follower, run } of this.#followers) {
      const { types } = this.#watches.get(`${tenant}/${run}`)!;
      const wrong = follower.told.findIndex((type, i) => type !== types[i]);
      if (wrong >= 0)
        throw new Error(`[L1] a follower was told of ${follower.told[wrong]}, which is not event ${wrong + 1}`);
    }
    for (const watch of this.#watches.values()) watch.check();
    for (const { input } of this.#plans) {
      const told = this.#watches.get(`${tenant}/${input.run}`)!.deadSeatsTold;
      const dead = this.#cloud.queues.dead.get(input.run)?.size ?? 0;
      if (told > dead) throw new Error(`[Y1] ${told} dead seats were told of, and there were ${dead}`);
    }
    for (const { input, isToGo } of this.#plans) {
      if (isToGo) this.#checkGone(input.run);
      else if (input.webhook) this.#endpoint.check(input.run, this.#watches.get(`${tenant}/${input.run}`)!.toTell);
    }
    for (const { input } of this.#plans) this.#checkMetered(input.run);
  }

  /** Every token that a run has used is in its tenant's usage, once, whatever failed between. */
  #checkMetered(run: string): void {
    const { state, isDeleted } = this.#watches.get(`${tenant}/${run}`)!;
    const { header } = state;
    const [row] = this.#cloud.index.rows(
      `SELECT SUM(input_tokens) AS input, SUM(output_tokens) AS output, SUM(nanos) AS nanos, SUM(events) AS events FROM usage WHERE run = '${run}'`,
    );
    const { input, output, nanos, events } = row!;
    if (nanos !== (header.nanos ?? 0)) throw new Error(`[B1] ${run}: ${nanos} nanodollars, of ${header.nanos}`);
    if (input !== header.inputTokens || output !== header.outputTokens)
      throw new Error(
        `[B1] ${run}: ${input} and ${output} tokens, of ${header.inputTokens} and ${header.outputTokens}`,
      );
    const [position] = this.#cloud.index.rows(`SELECT upto FROM usage_positions WHERE run = '${run}'`);
    if (position && !isDeleted && events !== position.upto)
      throw new Error(`[B1] ${run}: ${events} events, of ${position.upto}`);
  }

  /** A deleted run has left nothing, nor have its variables. */
  #checkGone(run: string): void {
    const name = `${tenant}/${run}`;
    for (const host of [...this.#cloud.named("RUNS", name), ...this.#cloud.named("VARIABLES", name)]) {
      const tables = host.storage.rows("SELECT name FROM sqlite_master WHERE type = 'table'");
      if (tables.length > 0) throw new Error(`[D2] ${host.name} still has ${tables.length} tables`);
    }
    for (const { id } of this.#cloud.index.rows("SELECT id FROM runs"))
      if (id === run) throw new Error("[D2] a deleted run is in the index");
  }

  #checkNothingLeft(): void {
    const left: string[] = [];
    for (const host of this.#cloud.hosts) {
      if (host.timers > 0) left.push(`${host.timers} timers of ${host.name}`);
      if (host.calls > 0) left.push(`${host.calls} calls of ${host.name}`);
    }
    if (this.#cloud.queues.served > 0) left.push(`${this.#cloud.queues.served} seats`);
    for (const gate of this.#cloud.named("GATES", ""))
      for (const row of gate.storage.rows("SELECT pool, run FROM ready"))
        left.push(`announced: ${JSON.stringify(row)}`);
    for (const row of this.#cloud.index.rows("SELECT id, status FROM runs WHERE ended_at IS NULL OR checked < writes"))
      left.push(`in the index: ${JSON.stringify(row)}`);
    if (left.length > 0) throw new Error(`[liveness] left behind: ${left.join("; ")}`);
  }
}
