/** W6: many forks of one large context; each is read whole and grows by its instructions and 500 bytes of its own. */

import { fanOut, postPaused } from "../lib/fan-out.ts";
import { lcg } from "../lib/lcg.ts";
import { most, type Outcome } from "../lib/measure.ts";
import { sampleSum } from "../lib/sample-sum.ts";
import type { Server } from "../lib/server.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 16;
const messageChars = 1000;
/** Contexts that are read back afterwards. */
const samples = 5;

/** A conversation of some `bytes` of JSON, as it goes over the wire. */
function conversation(bytes: number): { role: string; content: string }[] {
  const random = lcg(42);
  const messages: { role: string; content: string }[] = [];
  for (let size = 0; size < bytes; ) {
    const content = Array.from({ length: messageChars }, () => String.fromCharCode(97 + random(26))).join("");
    messages.push({ role: messages.length % 2 === 0 ? "user" : "assistant", content });
    size += messageChars + 40;
  }
  return messages;
}

async function forksOf(server: Server, bytes: number, tasks: number) {
  const messages = conversation(bytes);
  const sum = sampleSum(messages.map((message) => JSON.stringify(message)));
  const specs = Array.from({ length: tasks }, (_, i) => ({ instructions: `sum ${i}` }));
  const context = { format: "anthropic", messages } as const;
  // The base is stored once; what one fork more stores is the difference of two runs.
  const few = await fanOut(server, seats, specs.slice(0, 1), { context });
  const created = await postPaused(server, specs, { context });
  await server.heddle.cancelRun(created.run);
  const done = await fanOut(server, seats, specs, { context });
  for await (const { id, result } of server.heddle.tasks(done.run, { limit: 1000 })) {
    if ((result as { sum: number }).sum !== sum) throw new Error(`task ${id} read another context`);
  }
  let appended = 0;
  const { tasks: rows } = await server.heddle.listTasks(done.run, { limit: samples });
  for (const { id } of rows) {
    const { messages: whole } = await server.heddle.taskContext(done.run, id);
    const isOwn = JSON.stringify(whole.slice(0, messages.length)) === JSON.stringify(messages);
    appended += Buffer.byteLength(JSON.stringify(whole.slice(messages.length))) / rows.length;
    if (!isOwn || whole.at(-1)?.role !== "assistant")
      throw new Error(`the context of ${id} is not its parent's and its own`);
  }
  const stored = (done.counters.databaseBytes - few.counters.databaseBytes) / (tasks - 1);
  return {
    ...done,
    creationMs: created.wallMs,
    storedPerFork: stored,
    appendedPerFork: appended,
    perTaskMs: done.wallMs / tasks,
  };
}

async function forks({ server, quick }: Bench): Promise<Outcome[]> {
  const tasks = quick ? 50 : 1000;
  await forksOf(server, 20_000, 50);
  const small = await forksOf(server, 200_000, tasks);
  const large = await forksOf(server, 1_000_000, tasks);
  const peers = { small: 0.5, large: 0.5 };
  const measures = [
    { name: "200 KB: all of it", value: small.wallMs / 1000, unit: "s", peer: peers.small },
    { name: "1 MB: all of it", value: large.wallMs / 1000, unit: "s", peer: peers.large },
    { name: "1 MB ÷ 200 KB, time", value: large.perTaskMs / small.perTaskMs, unit: "×" },
    { name: "200 KB: to create the forks", value: small.creationMs, unit: "ms" },
    { name: "1 MB: to create the forks", value: large.creationMs, unit: "ms" },
    {
      name: "1 MB: stored a fork beyond what it appends",
      value: large.storedPerFork - large.appendedPerFork,
      unit: "B",
      target: most(1024),
    },
  ];
  return [{ workload: `W6 ×${tasks} forks`, measures, details: { small, large } }];
}

export const contextForks: readonly Workload[] = [{ name: "W6.fork", run: forks }];
