/** Runs through their real bindings: made, called, evicted; and a clock that tests move. */

import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { EventView, LeaseGrant, RunView, TaskView } from "../../../src/contract/shapes.ts";
import type { TaskSpec } from "../../../src/contract/task-spec.ts";
import { runIdOf } from "../../../src/ids.ts";
import { type Env, runStub } from "../../../src/objects/env.ts";
import type { CreateRunInput, Idem, Reply, RunSchedulerRpc, TenantGateRpc } from "../../../src/objects/rpc.ts";
import type { SeatRpc, SeatTicket, SeatWork } from "../../../src/objects/seat-rpc.ts";

export const bindings = env as unknown as Env;

let made = 0;

export const newTenant = (): string => `ten_test${++made}`;

export class TestRun {
  readonly tenant: string;
  readonly id: string;

  constructor(tenant: string, id: string) {
    this.tenant = tenant;
    this.id = id;
  }

  /** A fresh stub, as callers take one. */
  get rpc(): RunSchedulerRpc & SeatRpc {
    return runStub(bindings, this.tenant, this.id);
  }

  /** As a queue's message carries it. */
  ticket(nonce: string): SeatTicket {
    return { tenant: this.tenant, run: this.id, nonce, shard: 0 };
  }

  /** Its memory is gone; its storage stays. Waits for calls under way. */
  async evict(): Promise<void> {
    await evictDurableObject(bindings.RUNS.getByName(`${this.tenant}/${this.id}`));
  }

  /** Rings the alarm now, if one is set. */
  async ring(): Promise<boolean> {
    return runDurableObjectAlarm(bindings.RUNS.getByName(`${this.tenant}/${this.id}`));
  }

  async view(): Promise<RunView> {
    return value(await this.rpc.run());
  }

  async task(name: string): Promise<TaskView> {
    return value(await this.rpc.task(name));
  }

  async tasks(): Promise<TaskView[]> {
    const rows: TaskView[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = value(await this.rpc.tasks({ limit: 1000, ...(cursor !== undefined && { cursor }) }));
      rows.push(...page.rows);
      if (page.nextCursor === null) return rows;
      cursor = page.nextCursor;
    }
  }

  async events(): Promise<EventView[]> {
    const all: EventView[] = [];
    for (;;) {
      const { events } = value(await this.rpc.events({ after: all.length, limit: 1000, waitMs: 0 }));
      if (events.length === 0) return all;
      all.push(...events);
    }
  }

  async create(...tasks: TaskSpec[]): Promise<string[]> {
    return value(await this.rpc.createTasks({ tasks })).tasks.map(({ id }) => id);
  }

  /** The next ready task of the pool, leased to `worker`. */
  async lease(worker = "w", pool = "box") {
    const [grant] = value(await this.rpc.leases({ pool, worker, max: 1, contextBytes: 1e6 }));
    return grant as LeaseGrant | undefined;
  }

  /** The first hosted task, taken by a seat of this name. */
  async seat(nonce: string) {
    return (await this.rpc.openSeat(this.ticket(nonce), { nonce, have: [] })) as SeatWork | undefined;
  }
}

export async function makeRun(input: Partial<CreateRunInput> = {}, idem?: Idem): Promise<TestRun> {
  const id = runIdOf(crypto.getRandomValues(new Uint8Array(20)));
  const run = new TestRun(input.tenant ?? newTenant(), input.run ?? id);
  const whole: CreateRunInput = {
    context: { format: "anthropic", messages: ['{"role":"user","content":"the project"}'] },
    limits: { pools: ["box"] },
    ...input,
    tenant: run.tenant,
    run: run.id,
  };
  value(await run.rpc.createRun(whole, idem));
  return run;
}

export const gateOf = (tenant: string): TenantGateRpc => bindings.GATES.getByName(tenant) as unknown as TenantGateRpc;

export const evictGate = (tenant: string): Promise<void> => evictDurableObject(bindings.GATES.getByName(tenant));

export function value<T>(reply: Reply<T>): T {
  expect(reply).toMatchObject({ ok: true });
  return (reply as { ok: true; value: T }).value;
}

/** The code of a refusal; "ok" when it was none. */
export const codeOf = (reply: Reply<unknown>): string => (reply.ok ? "ok" : reply.fault.code);

/** A clock that stands still until it is moved, for the tests and for the objects. */
export class TestClock {
  now: number;

  constructor() {
    this.now = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: this.now });
  }

  forward(ms: number): void {
    this.now += ms;
    vi.setSystemTime(this.now);
  }

  [Symbol.dispose](): void {
    vi.useRealTimers();
  }
}
