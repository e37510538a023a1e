/** An agent outside: creates a run, posts tasks, uses variables through sessions, follows the log, changes its mind. */

import type { TaskSpec } from "../../../src/contract/task-spec.ts";
import { runStub } from "../../../src/objects/env.ts";
import type { CreateRunInput, Reply } from "../../../src/objects/rpc.ts";
import { insertRun } from "../../../src/storage/d1/run-index.ts";
import { RuleWorld } from "../rule-worlds.ts";
import { idemOf, persist, persistNamed, sleep, within } from "./calls.ts";
import type { Staff } from "./pull-worker.ts";
import { type Outcome, Toolbox } from "./toolbox.ts";

export interface RunPlan {
  readonly input: CreateRunInput;
  /** Tasks that the client knows it has made. */
  readonly known: string[];
  isCreated: boolean;
  /** It is deleted, while work is going on in it and things go wrong. */
  readonly isToGo: boolean;
}

const sessionMs = 20_000;

export class Client {
  readonly #staff: Staff;
  readonly #plan: RunPlan;
  /** No new work from now on. */
  isStopping = false;
  isDone = false;

  constructor(staff: Staff, plan: RunPlan) {
    this.#staff = staff;
    this.#plan = plan;
  }

  get #run() {
    const { env, tenant } = this.#staff;
    return runStub(env, tenant, this.#plan.input.run);
  }

  async live(): Promise<void> {
    await this.#create();
    const { random } = this.#staff;
    while (!this.isStopping) {
      await sleep(random.int(1, 4000));
      if (this.#plan.isToGo && random.chance(0.05)) break;
      const what = random.weighted({
        post: 5,
        tool: 5,
        session: 2,
        send: 2,
        cancel: 0.7,
        retry: 1.5,
        pause: 0.5,
        budget: 0.3,
        finish: 0.4,
        rules: 0.7,
        answer: 2,
        wait: 1,
      });
      await this[`_${what}`]();
    }
    if (this.#plan.isToGo) await this.#delete();
    this.isDone = true;
  }

  async #create(): Promise<void> {
    const { env, tenant, ledger } = this.#staff;
    const { input } = this.#plan;
    const idem = idemOf(`create ${input.run}`);
    for (;;) {
      // The row comes first: an object without a row would never be swept.
      const row = { tenant, id: input.run, name: null, createdAt: Date.now() };
      const isIndexed = await within(20_000, insertRun(env.DB, row)).then(
        () => true,
        () => false,
      );
      const reply = isIndexed ? await persist(() => this.#run.createRun(input, idem)) : undefined;
      if (reply?.ok) break;
      if (reply && reply.fault.code !== "overloaded") throw new Error(`the run is refused: ${reply.fault.code}`);
      await sleep(1000);
    }
    this.#plan.isCreated = true;
    const args = JSON.stringify({ op: "create", name: "permits0", permits: 2 });
    await persist(() => this.#run.callTool({ tool: "semaphore", arguments: args, waitMs: 0 }, idemOf(ledger.token())));
  }

  #named<T>(what: string, send: () => Promise<Reply<T>>): Promise<Reply<T> | undefined> {
    return persistNamed(this.#staff, what, send);
  }

  async #delete(): Promise<void> {
    for (;;) {
      const reply = await persist(() => this.#run.deleteRun());
      if (reply?.ok || reply?.fault.code === "not_found") return;
      await sleep(1000);
    }
  }

  async _post(): Promise<void> {
    const { random, ledger } = this.#staff;
    const tokens = Array.from({ length: random.int(1, 4) }, () => ledger.token());
    const tasks = tokens.map((token, i): TaskSpec => {
      const before = [...tokens.slice(0, i), ...this.#plan.known];
      const after = random.chance(0.4) && before.length > 0 ? { after: [random.pick(before)!] } : {};
      return {
        key: token,
        title: token,
        instructions: "Do a part of it.",
        pool: random.pick(["hosted", "laptop"])!,
        priority: random.int(0, 9),
        labels: new RuleWorld(random, false).labels(),
        retries: { limit: random.int(0, 3), backoff_ms: random.int(0, 5000) },
        ...after,
        ...(random.chance(0.2) && { on_dependency_failure: "run" as const }),
        ...(random.chance(0.1) && { timeout_ms: random.int(5000, 60_000) }),
        ...(random.chance(0.7) && { on_context_too_long: { last: 2 } }),
        ...(random.chance(0.3) && { output_schema: { type: "object", required: ["it"] } }),
        ...this.#scope(),
      };
    });
    const isGroup = tasks.some(({ group }) => group !== undefined);
    const groups = isGroup ? { g: { on_failure: random.pick(["cancel", "continue"] as const)! } } : {};
    const reply = await this.#named("createTasks", () => this.#run.createTasks({ tasks, groups }, idemOf(tokens[0]!)));
    if (!reply?.ok) return;
    for (const [i, { id }] of reply.value.tasks.entries()) {
      this.#plan.known.push(id);
      ledger.acknowledge(tokens[i]!);
    }
  }

  /** In worlds that have them: a group, and what stands in for the task. */
  #scope(): Partial<TaskSpec> {
    const { random, scopes } = this.#staff;
    if (!scopes) return {};
    return {
      ...(random.chance(0.5) && { group: "g" }),
      ...(random.chance(0.5) && { on_failure: { task: { title: "else", instructions: "Do it otherwise." } } }),
    };
  }

  async _tool(): Promise<void> {
    const { random, ledger } = this.#staff;
    const use = new Toolbox(random, ledger, this.#plan.input.run).pick({ holds: false, creates: false });
    const name = ledger.token();
    const input = { tool: use.tool, arguments: JSON.stringify(use.args), waitMs: 1000 };
    const named = random.chance(0.5) ? { callId: `call ${name}` } : {};
    const what = `${use.tool} from outside: ${input.arguments}`;
    const reply = await this.#named(what, () => this.#run.callTool({ ...input, ...named }, idemOf(name)));
    if (reply?.ok && !("pending" in reply.value)) use.answered(reply.value as Outcome, name);
  }

  async _session(): Promise<void> {
    const { random, ledger } = this.#staff;
    const session = idemOf(ledger.token());
    const opened = await this.#named("openActor", () => this.#run.openActor({ ttlMs: sessionMs }, session));
    if (!opened?.ok) return;
    const actor = opened.value.id;
    const toolbox = new Toolbox(random, ledger, this.#plan.input.run);
    for (let uses = random.int(1, 5); uses > 0; uses--) {
      const use = toolbox.pick({ holds: true, creates: false });
      const callId = `call ${ledger.token()}`;
      const input = { tool: use.tool, arguments: JSON.stringify(use.args), callId, waitMs: 4000, actor };
      for (let polls = 0; polls < 4; polls++) {
        const what = `${use.tool} of a session: ${input.arguments}`;
        const reply: Reply<unknown> | undefined = await this.#named(what, () => this.#run.callTool(input));
        if (!reply?.ok) break;
        const outcome = reply.value as object;
        if ("pending" in outcome) continue;
        use.answered(outcome as Outcome, callId);
        break;
      }
    }
    // Some leave without a word.
    if (random.chance(0.6)) await persist(() => this.#run.closeActor(actor));
  }

  async _send(): Promise<void> {
    const { random, ledger } = this.#staff;
    const task = random.pick(this.#plan.known);
    if (task === undefined) return;
    const token = ledger.token();
    const send = () => this.#run.sendMessage(task, JSON.stringify(token), idemOf(token));
    const reply = await this.#named("sendMessage", send);
    if (reply?.ok) ledger.acknowledge(token);
  }

  /** One of what the run asks; and the same again, as somebody who has not heard that it was taken. */
  async _answer(): Promise<void> {
    const { random, ledger } = this.#staff;
    const listed = await persist(() => this.#run.questions({ limit: 5 }), { tries: 1 });
    const question = listed?.ok ? random.pick(listed.value.rows) : undefined;
    if (!question) return;
    if (question.kind === "stall" && random.chance(0.3)) {
      await persist(() => this.#run.answer(question.id, { action: "extend" }, idemOf(ledger.token())));
      return;
    }
    const { id, wanted, actions } = question.kind === "ask" ? question : random.pick(question.waits)!;
    const token = ledger.token();
    const [variable] = wanted;
    const action = random.weighted({
      answer: variable === undefined ? 0 : 6,
      decline: actions.includes("decline") ? 1 : 0,
      cancel: 0.5,
    });
    const input = action === "answer" ? { action, value: token, variable: variable! } : { action };
    const reply = await this.#named("answer", () => this.#run.answer(id, input, idemOf(token)));
    if (reply?.ok && action === "answer") ledger.acknowledge(token);
    const again = await persist(() => this.#run.answer(id, input, idemOf(ledger.token())), { tries: 1 });
    if (reply?.ok && again?.ok && action === "answer") throw new Error(`[QU3] ${id} was answered twice`);
  }

  async _cancel(): Promise<void> {
    const task = this.#staff.random.pick(this.#plan.known);
    if (task !== undefined)
      await persist(() => this.#run.cancelTask(task, undefined, idemOf(this.#staff.ledger.token())));
  }

  async _retry(): Promise<void> {
    const task = this.#staff.random.pick(this.#plan.known);
    if (task !== undefined)
      await persist(() => this.#run.retryTask(task, undefined, idemOf(this.#staff.ledger.token())));
  }

  async _pause(): Promise<void> {
    const { random, ledger } = this.#staff;
    await persist(() => this.#run.pause(idemOf(ledger.token())));
    await sleep(random.int(0, 20_000));
    await persist(() => this.#run.resume(idemOf(ledger.token())));
  }

  /** None that pauses it for good: the call may arrive when everybody has gone home. */
  async _rules(): Promise<void> {
    const rules = new RuleWorld(this.#staff.random, false).lasting(0.5);
    await persist(() => this.#run.setRules({ rules, text: "" }));
  }

  /** Somebody thinks that it is over, or wants it to be. */
  async _finish(): Promise<void> {
    const { random, ledger } = this.#staff;
    const idem = idemOf(ledger.token());
    if (random.chance(0.3)) await persist(() => this.#run.cancelRun(undefined, idem));
    else await persist(() => this.#run.finishRun({ cancel: random.chance(0.5) }, idem));
  }

  async _budget(): Promise<void> {
    const { random, ledger } = this.#staff;
    const tokens = random.int(10_000, 80_000);
    if (this.#plan.input.limits.tokens) await persist(() => this.#run.budget({ tokens }, idemOf(ledger.token())));
  }

  async _wait(): Promise<void> {
    const { random } = this.#staff;
    const tasks = random.chance(0.5) && this.#plan.known.length > 0 ? { tasks: [random.pick(this.#plan.known)!] } : {};
    const timeoutMs = random.int(0, 8000);
    await persist(() => this.#run.wait({ ...tasks, mode: "settled", timeoutMs }), { tries: 1 });
  }
}

/** Follows a run's log by long polls, as a live stream does. */
export class Follower {
  readonly #staff: Staff;
  readonly #plan: RunPlan;
  /** The types of what it was told, from the first event on. */
  readonly told: string[] = [];

  constructor(staff: Staff, plan: RunPlan) {
    this.#staff = staff;
    this.#plan = plan;
  }

  async live(): Promise<void> {
    const { env, tenant, random, isOver } = this.#staff;
    while (!isOver()) {
      const after = this.told.length;
      const ask = { after, limit: random.int(1, 50), waitMs: 10_000 };
      const reply = await persist(() => runStub(env, tenant, this.#plan.input.run).events(ask), { tries: 1 });
      for (const { seq, type } of reply?.ok ? reply.value.events : []) {
        if (seq !== this.told.length + 1) throw new Error(`[L1] event ${seq} was told after ${this.told.length}`);
        this.told.push(type);
      }
      if (!reply?.ok || reply.value.done) await sleep(2000);
    }
  }
}
