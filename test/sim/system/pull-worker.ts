/** A pull worker: leases, works, uses tools, delivers; dawdles beyond its lease, and says things again. */

import type { Grant, LeaseGrant, ToolCallGrant } from "../../../src/contract/shapes.ts";
import { type Env, gateStub, runStub } from "../../../src/objects/env.ts";
import type { Idem, LeaseRef } from "../../../src/objects/rpc.ts";
import type { Random } from "../random.ts";
import { idemOf, persist, persistNamed, sleep } from "./calls.ts";
import type { Ledger } from "./ledger.ts";
import type { Faults } from "./platform/faults.ts";
import { isRead, type Outcome, Toolbox } from "./toolbox.ts";

export interface Staff {
  readonly env: Env;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly tenant: string;
  /** As Doubter has them. */
  readonly doubts: boolean;
  readonly fail: (error: unknown) => void;
  /** Tasks have groups and stand-ins. */
  readonly scopes: boolean;
  /** The world is over: nobody begins anything more. */
  readonly isOver: () => boolean;
  /** Leases of all runs that were granted to the request of this key, and are open. */
  readonly openOf: (key: string) => (LeaseRef & { run: string })[];
}

/** He waits, since the same call id after another turn is another call. */
const onLease = { over: ["lease_lost"], waits: true } as const;

const renewEveryMs = 10_000;

export class PullWorker {
  readonly #staff: Staff;
  readonly #name: string;

  constructor(name: string, staff: Staff) {
    this.#name = name;
    this.#staff = staff;
  }

  async work(): Promise<void> {
    const { env, random, ledger, tenant, isOver } = this.#staff;
    while (!isOver()) {
      const idem = random.chance(0.6) ? idemOf(ledger.token()) : undefined;
      const kinds = random.pick([["task", "tool_call"], ["task", "tool_call"], ["task"], ["tool_call"]] as const)!;
      const waitMs = random.int(0, 10_000);
      const load = { cpu: random.int(0, 10) / 10 };
      // Now and then it is too busy to ask for anything.
      const max = random.chance(0.1) ? 0 : random.int(1, 2);
      const ask = { tenant, pool: "laptop", worker: this.#name, max, waitMs, kinds, load };
      const reply = await persist(() => gateStub(env, tenant).lease(ask, idem), { tries: idem ? 3 : 1 });
      if (reply?.ok && idem) this.#checkHeard(idem, ...reply.value);
      if (reply?.ok && max > 0) await Promise.all(reply.value.map((grant) => this.#carryOut(grant)));
      else await sleep(500);
    }
  }

  /** Else nobody works on it until its lease is over. */
  #checkHeard({ key }: Idem, ...heard: (Grant | undefined)[]): void {
    for (const lease of this.#staff.openOf(key))
      if (!heard.some((grant) => grant?.run === lease.run && grant.fence === lease.fence))
        throw new Error(`[G3] ${this.#name} has a lease of task ${lease.taskNumber} that it was not told of`);
  }

  async #carryOut(first: Grant): Promise<void> {
    let grant: Grant | undefined = first;
    while (grant) grant = "call" in grant ? await this.#toolCall(grant) : await this.#attempt(grant);
  }

  /** A call of a run's tool. */
  async #toolCall({ run: runId, taskNumber, call, fence, argumentsText }: ToolCallGrant): Promise<Grant | undefined> {
    const { env, random, ledger, faults, tenant } = this.#staff;
    const lease: LeaseRef = { taskNumber, call, fence };
    const run = () => runStub(env, tenant, runId);
    await sleep(faults.strikes("zombie") ? random.int(31_000, 60_000) : random.int(1, 5000));
    if (random.chance(0.3)) await persist(() => run().renew(lease, { fraction: 0.5 }), { tries: 1 });
    if (faults.areOn && random.chance(0.08)) return undefined;
    const idem = idemOf(ledger.token());
    if (faults.areOn && random.chance(0.15)) {
      const error = { code: "broken", message: "It did not work." };
      await persist(() => run().fail(lease, { error, retryable: random.chance(0.7) }, idem));
      return undefined;
    }
    const result = { said: (JSON.parse(argumentsText) as { say: string }).say };
    const input = { result, next: random.chance(0.5), worker: this.#name };
    const reply = await persist(() => run().complete(lease, input, idem));
    if (reply?.ok) this.#checkHeard(idem, reply.value.lease);
    return reply?.ok ? reply.value.lease : undefined;
  }

  /** Answers with the next lease, if there is one. */
  async #attempt(grant: LeaseGrant): Promise<Grant | undefined> {
    const { env, random, ledger, faults, tenant } = this.#staff;
    const lease: LeaseRef = { taskNumber: grant.taskNumber, fence: grant.fence };
    const run = () => runStub(env, tenant, grant.run);
    const toolbox = new Toolbox(random, ledger, grant.run);
    let dawdles = false;
    const renewal = setInterval(() => {
      if (!dawdles)
        run()
          .renew(lease, random.chance(0.5) ? { turns: 1 } : undefined)
          .catch(() => undefined);
    }, renewEveryMs);
    try {
      for (let steps = faults.areOn ? random.int(0, 4) : random.int(0, 1); steps > 0; steps--) {
        dawdles = faults.strikes("zombie");
        await sleep(dawdles ? random.int(31_000, 100_000) : random.int(1, 4000));
        if (random.chance(0.25)) {
          const idem = idemOf(ledger.token());
          const content = JSON.stringify({ role: "assistant", content: `said ${idem.fingerprint}` });
          const turn = () => run().turn(lease, { messages: [content] }, idem);
          await persistNamed(this.#staff, `turn of task ${lease.taskNumber}`, turn, onLease);
        } else if (!(await this.#useTool(lease, grant.run, toolbox))) return undefined;
      }
      if (faults.areOn && random.chance(0.08)) return undefined;
      return await this.#deliver(lease, grant.run);
    } finally {
      clearInterval(renewal);
    }
  }

  /** False when the lease is lost. */
  async #useTool(lease: LeaseRef, runId: string, toolbox: Toolbox): Promise<boolean> {
    const { env, random, ledger, tenant } = this.#staff;
    const use = toolbox.pick({ holds: true, creates: random.chance(0.5) });
    const what = `${use.tool} of task ${lease.taskNumber}: ${JSON.stringify(use.args)}`;
    const callId = `call ${ledger.token()}`;
    const input = { tool: use.tool, arguments: JSON.stringify(use.args), callId, waitMs: 5000 };
    for (let polls = 0; polls < 8; polls++) {
      const send = () => runStub(env, tenant, runId).leaseTool(lease, input);
      const reply = await (isRead(use) ? persist(send) : persistNamed(this.#staff, what, send, onLease));
      if (!reply) return true;
      if (!reply.ok) return false;
      if ("pending" in reply.value) continue;
      use.answered(reply.value as Outcome, callId);
      return true;
    }
    return true;
  }

  async #deliver(lease: LeaseRef, runId: string): Promise<Grant | undefined> {
    const { env, random, ledger, faults, tenant } = this.#staff;
    const token = ledger.token();
    const idem = idemOf(token);
    const run = () => runStub(env, tenant, runId);
    const fails = random.weighted({ no: 8, retryable: faults.areOn ? 1.5 : 0, permanent: faults.areOn ? 0.5 : 0 });
    if (fails !== "no") {
      const error = { code: "broken", message: "It did not work." };
      await persist(() => run().fail(lease, { error, retryable: fails === "retryable" }, idem));
      return undefined;
    }
    const input = { result: { done: token }, next: random.chance(0.7), worker: this.#name };
    const reply = await persist(() => run().complete(lease, input, idem));
    if (!reply?.ok) return undefined;
    ledger.acknowledge(token, lease.fence);
    this.#checkHeard(idem, reply.value.lease);
    // A worker that did not hear says it again, long after.
    if (faults.areOn && random.chance(0.1)) {
      const again = await persist(() => run().complete(lease, input, idem));
      // Only the run's deletion may have come between: then the lease is lost with it.
      if (again && !again.ok) {
        const { code } = again.fault;
        const there = code === "lease_lost" ? await persist(() => run().run()) : undefined;
        if (code !== "lease_lost" || there?.ok) throw new Error(`[E1] a repeated complete is answered with ${code}`);
      }
    }
    return reply.value.lease;
  }
}
