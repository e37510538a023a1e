/** Traces are pushed to a collector: whole, each span once, whatever the collector does, and over a kill of the server. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Heddle } from "../../src/client/index.ts";
import { tracePushEveryMs } from "../../src/limits.ts";
import { type Act, answers, Collector, hangs, type Span } from "./lib/collector.ts";
import { LocalServer } from "./lib/server.ts";
import { plays, says } from "./lib/sim.ts";
import { storedMeta } from "./lib/stored.ts";

const secret = "s3cret-of-the-collector";
let collector: Collector;
let server: LocalServer;
let heddle: Heddle;
/** A run that goes on beside the other tests: what it has told is pushed after `tracePushEveryMs`. */
let long: string;

beforeAll(async () => {
  collector = await Collector.start();
  server = await LocalServer.start({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${secret}`,
  });
  ({ heddle } = server);
  long = (await heddle.createRun({ name: "long" })).id;
  await heddle.createTasks(long, {
    tasks: [
      { key: "soon", instructions: says("done") },
      { key: "late", instructions: plays([{ text: "done", latency_ms: 60_000 }]) },
    ],
  });
});
afterAll(async () => {
  await server?.stop();
  await collector?.stop();
});

const log = (): string => readFileSync(join(server.state, "server.log"), "utf8");

/** A run of two tasks, finished, which meets these acts. */
async function finished(...acts: Act[]): Promise<string> {
  const { id } = await heddle.createRun({ name: "pushed" });
  if (acts.length > 0) collector.script(id, ...acts);
  const tasks = [
    { key: "a", instructions: says("done") },
    { key: "b", after: ["a"], instructions: says("done") },
  ];
  await heddle.createTasks(id, { tasks });
  await heddle.waitFor(id, { mode: "all" });
  await heddle.finishRun(id);
  return id;
}

const pulled = async (run: string): Promise<Span[]> => {
  const { resourceSpans } = (await (await heddle.trace(run, { format: "otlp" })).json()) as {
    resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
  };
  return resourceSpans[0]!.scopeSpans[0]!.spans;
};

const ids = (spans: readonly Span[]): string[] => spans.map(({ spanId }) => spanId).toSorted();
const sent = (run: string): Span[] => collector.of(run).flatMap(({ spans }) => spans);

/** How many spans the run itself knows to be sent. */
const noted = (run: string): number =>
  (JSON.parse(storedMeta(server.state, run, "trace") ?? "{}") as { sent: number }).sent;

const until = (check: () => void | Promise<void>, timeout = 20_000): Promise<void> =>
  vi.waitFor(check, { timeout, interval: 50 });
const wholeTrace = async (run: string): Promise<void> => {
  const all = ids(await pulled(run));
  await until(() => expect(new Set(ids(sent(run)))).toEqual(new Set(all)));
};

it.concurrent("a run's trace comes whole when the run ends, each span once, with the deployment's headers", async () => {
  const run = await finished();
  await wholeTrace(run);
  expect(ids(sent(run))).toEqual(ids(await pulled(run)));
  expect(collector.of(run)).toMatchObject([{ path: "/v1/traces", key: secret }]);
  expect(sent(run).map(({ name }) => name)).toEqual(
    expect.arrayContaining(["pushed", "invoke_agent a", "invoke_agent b"]),
  );
});

it.concurrent("what happens after its end is pushed too, and nothing twice", async () => {
  const run = await finished();
  await wholeTrace(run);
  await heddle.retryTask(run, "b");
  await heddle.waitFor(run, { mode: "all" });
  await heddle.finishRun(run);
  await wholeTrace(run);
  expect(ids(sent(run))).toEqual(ids(await pulled(run)));
});

it.concurrent("a collector that is busy is asked again, when it says; the same spans come once it takes them", async () => {
  const run = await finished(answers(503), answers(429, { "retry-after": "2" }), answers(200));
  await until(() => expect(collector.of(run)).toHaveLength(3));
  const [first, second, third] = collector.of(run);
  expect(second!.at - first!.at).toBeGreaterThanOrEqual(950);
  expect(third!.at - second!.at).toBeGreaterThanOrEqual(1950);
  expect(ids(third!.spans)).toEqual(ids(await pulled(run)));
  expect([ids(first!.spans), ids(second!.spans)]).toEqual([ids(third!.spans), ids(third!.spans)]);
});

it.concurrent("what it refuses, whole or in part, is counted and said, and not sent again; nothing of a header is logged", async () => {
  const refused = await finished(answers(400, {}, `no such key ${secret}`));
  const partly = await finished(answers(200, {}, { partialSuccess: { rejectedSpans: "2", errorMessage: "too old" } }));
  const [spans] = [(await pulled(refused)).length];
  await until(() => {
    const lines = log().replaceAll(/\s+/g, " ");
    expect(lines).toMatch(
      new RegExp(
        `trace dropped \\{ run: '${refused}', spans: ${spans}, .{0,80}why: 'it answered 400: no such key \\[key\\]'`,
      ),
    );
    expect(lines).toMatch(new RegExp(`trace dropped \\{ run: '${partly}', spans: 2, .{0,80}too old`));
  });
  expect([collector.of(refused).length, collector.of(partly).length]).toEqual([1, 1]);
  expect(log()).not.toContain(secret);
});

it("a collector that does not answer holds nothing up; over a kill the next push goes on from the cursor", async () => {
  const hung = await finished(hangs, answers(200));
  await until(() => expect(collector.of(hung)).toHaveLength(1));
  const other = await finished();
  await wholeTrace(other);
  // By now the first ten seconds are over or soon will be: a part of it is there before its end, and no span that goes on.
  await until(
    () => expect(sent(long).map(({ name }) => name)).toContain("invoke_agent soon"),
    tracePushEveryMs + 15_000,
  );
  const before = ids(sent(long));
  expect(sent(long).map(({ name }) => name)).not.toContain("invoke_agent late");

  // Between the collector's answer and the cursor a kill would have it sent again (docs/tracing.md).
  for (const run of [long, other]) await until(() => expect(noted(run)).toBe(sent(run).length));
  await server.kill();
  await server.start();
  await wholeTrace(hung);
  await heddle.finishRun(long, { cancel: true });
  await wholeTrace(long);
  expect(ids(sent(long))).toEqual(ids(await pulled(long)));
  expect(ids(sent(long)).filter((id) => before.includes(id))).toEqual(before);
  expect(collector.of(other)).toHaveLength(1);
});
