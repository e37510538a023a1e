/** One who uses a run as people do: creates it, posts work, changes his mind, talks to tasks, waits, finishes it. */

import type { RunView, TaskView } from "../../src/client/index.ts";
import type { Client, Surroundings } from "../client.ts";
import { Client as Outside } from "../client.ts";
import { agent } from "./agent.ts";
import { answerer } from "./answerer.ts";
import { copier } from "./copier.ts";
import { follow, watch } from "./follow.ts";
import { remove } from "./remove.ts";
import { type BatchKind, batch, batchWeights, guardedOps, plays, retriable, valueOps } from "./script.ts";
import { settled } from "./settled.ts";
import { toolsAt } from "./stamper.ts";
import { treasurer } from "./treasurer.ts";

/**
 * Uses one run after another until no new load is wanted; resolves when his last is finished, or nothing is waited for. In his first
 * he posts `kinds`, each once, however short the time is: so that no load is left out by chance.
 */
export async function user(around: Surroundings, name: string, kinds: readonly BatchKind[]): Promise<void> {
  const client = new Outside(around, name);
  await useRun(around, client, `${name}-1`, kinds);
  for (let n = 2; !client.stopping; n++) await useRun(around, client, `${name}-${n}`);
}

async function useRun(
  around: Surroundings,
  client: Client,
  name: string,
  kinds: readonly BatchKind[] = [],
): Promise<void> {
  const webhook = { url: client.webhook, events: ["run.*", "task.*"] };
  // A call reserves some five thousand tokens: several runs pause before anybody has raised their budget.
  const isFirst = kinds.length > 0;
  const tokens = isFirst || client.random.chance(0.5) ? client.random.int(10_000, 80_000) : undefined;
  const isCopied = isFirst || client.random.chance(0.6);
  const isCancelled = !isFirst && client.random.chance(0.15);
  const isDeleted = !isFirst && !isCancelled && client.random.chance(0.15);
  const limits = { workers: 16, pools: ["box", "shell"], ...(tokens !== undefined && { tokens }) };
  const body = { name, limits, webhook, tools: toolsAt(client.endpoint) };
  const created = await client.ask("", { kind: "create_run" }, { method: "POST", path: "/v1/runs", body });
  if (created.kind !== "told") return;
  const { id: run, snapshot } = created.answer as RunView;
  client.base = snapshot;
  const permits = { tool: "semaphore", arguments: { op: "create", name: "permits", permits: 2 } };
  await client.op(run, permits);
  const beside = [follow(new Outside(around, `${name}-f`), run), watch(new Outside(around, `${name}-w`), run)];
  for (const i of [1, 2]) beside.push(answerer(new Outside(around, `${name}-q${i}`), run));
  if (tokens !== undefined) beside.push(treasurer(new Outside(around, `${name}-b`), run, tokens));
  const lives = client.random.int(10_000, 25_000) + Date.now();
  const goesOn = () => !client.stopping && Date.now() < lives;
  if (isCopied) beside.push(copyOnce(around, `${name}-x`, run));
  await Promise.all([
    post(client, run, kinds, goesOn),
    touch(new Outside(around, `${name}-o`, snapshot), run, goesOn),
    talk(new Outside(around, `${name}-t`), run, goesOn),
    append(new Outside(around, `${name}-c`), run, snapshot, goesOn),
    session(new Outside(around, `${name}-s`), run, goesOn),
    agent(new Outside(around, `${name}-m`), run, goesOn),
  ]);
  // Whatever is under way then.
  if (isDeleted) {
    await remove(client, run, true);
    await Promise.all(beside);
    return;
  }
  if (isCancelled) await client.ask(run, { kind: "cancel_run" }, { method: "POST", path: `/v1/runs/${run}/cancel` });
  await settled(client, run);
  if (!isCancelled) await drain(client, run);
  await client.ask(run, { kind: "finish" }, { method: "POST", path: `/v1/runs/${run}/finish` });
  if (client.random.chance(0.3)) await copier(around, `${name}-y`, run);
  await Promise.all(beside);
}

/** While it is in full swing. */
async function copyOnce(around: Surroundings, name: string, run: string): Promise<void> {
  await new Outside(around, name).pause(1000, 8000);
  await copier(around, `${name}-c`, run);
}

async function post(client: Client, run: string, kinds: readonly BatchKind[], goesOn: () => boolean): Promise<void> {
  for (let n = 0; goesOn() || (n < kinds.length && !client.over); n++) {
    const kind = kinds[n] ?? client.random.weighted(batchWeights);
    const { tasks: scripted, groups } = batch(client.random, kind, client.fresh(kind));
    const tasks = scripted.map(({ planned }) => planned);
    const specs = scripted.map(({ spec }) => spec);
    const all = { tasks: specs, ...(groups && { groups }) };
    if (client.random.chance(specs.length === 1 ? 0.5 : 0.2)) {
      const id = client.fresh("c");
      const request = {
        method: "POST" as const,
        path: `/v1/runs/${run}/tools/create_task`,
        body: { call_id: id, arguments: specs.length === 1 ? specs[0] : all, snapshot: client.base },
      };
      await client.ask(run, { kind: "fork", tasks }, request, { id, named: true });
    } else {
      const request = { method: "POST" as const, path: `/v1/runs/${run}/tasks`, body: all };
      const posted = await client.ask(run, { kind: "post", tasks }, request);
      if (posted.kind === "told") await rethink(client, run, kind, (posted.answer as { tasks: TaskView[] }).tasks);
    }
    await client.pause(100, 900);
  }
}

/** Some of what was posted is cancelled, begun again, or looked at. */
async function rethink(client: Client, run: string, kind: BatchKind, tasks: readonly TaskView[]): Promise<void> {
  const task = client.random.pick(tasks)!.id;
  const path = `/v1/runs/${run}/tasks/${task}`;
  if (kind === "fan" && client.random.chance(0.3))
    await client.ask(run, { kind: "cancel", task }, { method: "POST", path: `${path}/cancel` });
  const place = retriable[kind];
  if (place !== undefined && client.random.chance(0.5)) {
    const failing = tasks[place]!.id;
    await client.once({
      ...{ method: "POST", path: `/v1/runs/${run}/wait`, waitMs: 3000 },
      body: { tasks: [failing], mode: "settled", timeout_ms: 3000 },
    });
    const again = `/v1/runs/${run}/tasks/${failing}/retry`;
    await client.ask(run, { kind: "retry", task: failing }, { method: "POST", path: again });
  }
  if (client.random.chance(0.1)) {
    const pause = await client.ask(run, { kind: "pause" }, { method: "POST", path: `/v1/runs/${run}/pause` });
    await client.pause(50, 400);
    if (pause.kind !== "refused")
      await client.ask(run, { kind: "resume" }, { method: "POST", path: `/v1/runs/${run}/resume` });
  }
  await client.look(run, task);
}

/** Ops on variables from outside any task: first one of each kind, however short the time is. */
async function touch(client: Client, run: string, goesOn: () => boolean): Promise<void> {
  for (let n = 0, kinds = 1; goesOn() || (n < kinds && !client.over); n++) {
    // The last one pops, and might wait.
    const ops = valueOps(client.random, client.fresh("v")).slice(0, -1);
    kinds = ops.length;
    await client.op(run, ops[n] ?? client.random.pick(ops)!);
    await client.pause(50, 300);
  }
}

/** A task that takes its time, and messages to it. */
async function talk(client: Client, run: string, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const key = client.fresh("listener");
    const instructions = plays([{ latency_ms: 1500, text: `heard ${key}` }]);
    const planned = { key, expected: { kind: "result" as const, result: `heard ${key}` } };
    const body = { tasks: [{ key, instructions }] };
    const posted = await client.ask(
      ...([run, { kind: "post", tasks: [planned] }, { method: "POST", path: `/v1/runs/${run}/tasks`, body }] as const),
    );
    if (posted.kind !== "told") return;
    const task = (posted.answer as { tasks: { id: string }[] }).tasks[0]!.id;
    for (let n = client.random.int(1, 3); n > 0; n--) {
      const text = `${client.fresh("message")};`;
      const content = `${text}\n${plays([{ text: `heard ${key}`, latency_ms: 200 }])}`;
      const path = `/v1/runs/${run}/tasks/${task}/messages`;
      await client.ask(run, { kind: "message", task, text }, { method: "POST", path, body: { content } });
      await client.pause(100, 900);
    }
    await client.look(run, task);
  }
}

/** The main agent's own conversation grows. */
async function append(client: Client, run: string, head: string, goesOn: () => boolean): Promise<void> {
  for (let after = head; goesOn(); ) {
    const text = `${client.fresh("said")};`;
    const body = {
      after,
      messages: [
        { role: "user", content: text },
        { role: "assistant", content: "Noted." },
      ],
    };
    const told = await client.ask(
      ...([run, { kind: "append", text }, { method: "POST", path: `/v1/runs/${run}/context`, body }] as const),
    );
    if (told.kind !== "told") return;
    after = (told.answer as { snapshot: string }).snapshot;
    await client.pause(500, 2000);
  }
}

/** An agent outside that takes turns with tasks at one lock. */
async function session(client: Client, run: string, goesOn: () => boolean): Promise<void> {
  const path = `/v1/runs/${run}/actors`;
  const body = { name: client.name, ttl_ms: 300_000 };
  const opened = await client.ask(run, { kind: "open_session" }, { method: "POST", path, body });
  if (opened.kind !== "told") return;
  const actor = (opened.answer as { id: string }).id;
  while (goesOn()) {
    const section = client.fresh("section");
    let token: unknown;
    for (const { tool, arguments: asked } of guardedOps(section)) {
      const fenced = "fence" in asked ? { ...asked, fence: { lock: "guard", token } } : asked;
      const outcome = await client.sessionOp(run, actor, { tool, arguments: fenced }, section);
      if (outcome.kind !== "told") return;
      token ??= (outcome.answer as { result?: { token?: unknown } }).result?.token;
    }
    await client.pause(100, 700);
  }
  await client.ask(run, { kind: "close_session" }, { method: "DELETE", path: `${path}/${actor}` });
}

/** What is left in the queue is popped too: a message may be in it or have been told to one pop, and nothing else. */
async function drain(client: Client, run: string): Promise<void> {
  while (!client.over) {
    const path = `/v1/runs/${run}/tools/message_queue`;
    const body = { arguments: { op: "size", name: "queue" } };
    const view = (await client.once({ method: "POST", path, body })) as { result?: { size?: number } } | undefined;
    if (!view) {
      await client.pause(100, 300);
      continue;
    }
    if (!view.result?.size) return;
    await client.op(run, { tool: "message_queue", arguments: { op: "pop", name: "queue", max: 10 } });
  }
}
