/** Callers inside the platform, as seats are: their ops are RPCs of the run's object, and no HTTP stands between. */

import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";

const ttlMs = 600_000;
const waitMs = 30_000;

interface Caller {
  readonly run: RunSchedulerRpc;
  readonly actor: string;
}

async function callers(run: RunSchedulerRpc, count: number): Promise<Caller[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => run.openActor({ ttlMs })));
  return opened.map((actor) => {
    if (!actor.ok) throw new Error(actor.fault.code);
    return { run, actor: actor.value.id };
  });
}

async function use({ run, actor }: Caller, tool: string, args: object): Promise<Record<string, unknown>> {
  const reply = await run.callTool({ tool, arguments: JSON.stringify(args), actor, waitMs });
  if (reply.ok && "result" in reply.value) return reply.value.result as Record<string, unknown>;
  throw new Error(`${tool}: ${JSON.stringify(reply)}`);
}

/** W4: rounds under one lock; answers the counter that they leave. */
export async function contend(run: RunSchedulerRpc, count: number, rounds: number): Promise<number> {
  const all = await callers(run, count);
  const counter = { name: "counter", key: "n" };
  await Promise.all(
    all.map(async (caller) => {
      for (let round = 0; round < rounds; round++) {
        await use(caller, "lock", { op: "acquire", name: "L" });
        const { value } = await use(caller, "shared_map", { op: "get", ...counter });
        await use(caller, "shared_map", { op: "set", ...counter, value: Number(value) + 1 });
        await use(caller, "lock", { op: "release", name: "L" });
      }
    }),
  );
  return Number((await use(all[0]!, "shared_map", { op: "get", ...counter })).value);
}

/** W5: two that answer each other over two queues; answers the milliseconds from one receipt to the next. */
export async function pingPong(run: RunSchedulerRpc, messages: number): Promise<number[]> {
  const [a, b] = (await callers(run, 2)) as [Caller, Caller];
  const received: number[] = [];
  const side = async (caller: Caller, from: string, to: string) => {
    for (let left = messages / 2; left > 0; left--) {
      const popped = await use(caller, "message_queue", { op: "pop", name: from });
      received.push(performance.now());
      const [n] = popped.messages as [number];
      if (n !== received.length - 1) throw new Error(`message ${n} came as number ${received.length - 1}`);
      if (received.length < messages) await use(caller, "message_queue", { op: "push", name: to, messages: [n + 1] });
    }
  };
  await use(a, "message_queue", { op: "push", name: "to-b", messages: [0] });
  await Promise.all([side(a, "to-a", "to-b"), side(b, "to-b", "to-a")]);
  return received.slice(1).map((at, i) => at - received[i]!);
}

/** Adds, spread over so many atomics; answers their sum. */
export async function add(run: RunSchedulerRpc, count: number, each: number, variables: number): Promise<number> {
  const all = await callers(run, count);
  const name = (n: number) => `v${n % variables}`;
  await Promise.all(
    all.map(async (caller, c) => {
      for (let n = 0; n < each; n++) await use(caller, "atomic", { op: "add", name: name(c * 7 + n), delta: 1 });
    }),
  );
  let sum = 0;
  for (let n = 0; n < variables; n++) sum += Number((await use(all[0]!, "atomic", { op: "get", name: name(n) })).value);
  return sum;
}
