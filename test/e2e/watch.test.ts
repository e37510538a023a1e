/** A run followed live by many, through WebSockets, on a real server that is killed meanwhile. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EventView, Heddle, HeddleUnreachable, isProblem } from "../../src/client/index.ts";
import { HeddleProcess, until } from "../cli/lib/heddle.ts";
import { LocalServer } from "./lib/server.ts";

let server: LocalServer;
let heddle: Heddle;
beforeAll(async () => {
  server = await LocalServer.start();
  heddle = server.heddle;
});
afterAll(() => server.stop());

const work = (count: number) => Array.from({ length: count }, () => ({ pool: "box", instructions: "do it" }));

async function logOf(run: string): Promise<EventView[]> {
  const all: EventView[] = [];
  for (let after = 0; ; ) {
    const page = await heddle.events(run, { after, limit: 1000 });
    all.push(...page.events);
    if (page.next_cursor === null) return all;
    after = Number(page.next_cursor);
  }
}

/** Carries out tasks of the pool, one after another. */
async function completed(count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const [lease] = await heddle.lease("box", { worker: "w", max: 1, wait_ms: 5000 });
    if (!lease) continue;
    await heddle.complete(lease.id, { result: "done", worker: "w" });
    done++;
  }
}

const linesOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

async function collect(events: AsyncIterable<EventView>): Promise<EventView[]> {
  const seen: EventView[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe("many watchers of one run", () => {
  it("three hundred of them see everything once and in order, from its beginning to its end", async () => {
    const run = (await heddle.createRun({ limits: { pools: ["box"] } })).id;
    await heddle.createTasks(run, { tasks: work(40) });
    const watching = Array.from({ length: 300 }, (_, i) =>
      collect(heddle.followEvents(run, i % 3 === 0 ? { after: i } : {}, { transport: "websocket" })),
    );
    await completed(40);
    await heddle.finishRun(run);
    const all = await Promise.all(watching);
    const log = await logOf(run);
    expect(log.length).toBeGreaterThan(120);
    for (const [i, seen] of all.entries()) expect(seen).toEqual(log.slice(i % 3 === 0 ? i : 0));
  });

  it("a server that is killed and comes back is not noticed: none is lost, none comes twice", async () => {
    const run = (await heddle.createRun({ limits: { pools: ["box"] } })).id;
    let begun = () => {};
    const first = new Promise<void>((resolve) => (begun = resolve));
    const watching = [undefined, "websocket", "sse"].map(async (transport) => {
      const seen: EventView[] = [];
      const options = transport === undefined ? {} : { transport: transport as "websocket" | "sse" };
      for await (const event of heddle.followEvents(run, {}, options)) {
        seen.push(event);
        begun();
      }
      return seen;
    });
    await first;
    const env = { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };
    const logs = new HeddleProcess(["logs", run, "-f", "--json"], { env });
    const top = new HeddleProcess(["top", run, "--json", "--every", "1"], { env });
    await until(() => logs.stdout !== "" && top.stdout !== "");
    await heddle.createTasks(run, { tasks: work(5) });
    await server.kill();
    await server.start();
    await completed(5);
    await heddle.finishRun(run);
    const log = await logOf(run);
    for (const seen of await Promise.all(watching)) expect(seen).toEqual(log);
    // So do the commands that follow a run.
    const [logged, shown] = await Promise.all([logs.ended, top.ended]);
    expect(linesOf(logged.stdout)).toEqual(log);
    expect(linesOf(shown.stdout).at(-1)).toMatchObject({
      status: "succeeded",
      counts: { succeeded: 5 },
      parked_on: {},
    });
    expect([logged.status, shown.status]).toEqual([0, 0]);
  });
});

describe("a watcher", () => {
  it("needs no key where it has a ticket, and asks for another when it has to connect again", async () => {
    const run = (await heddle.createRun({})).id;
    const page = new Heddle({ url: server.url });
    let asked = 0;
    const ticket = async () => {
      asked++;
      return (await heddle.watchTicket(run)).ticket;
    };
    const watching = collect(page.followEvents(run, {}, { ticket }));
    await heddle.finishRun(run);
    expect(await watching).toEqual(await logOf(run));
    expect(asked).toBe(1);
    const refused = await collect(page.followEvents(run)).catch((error: unknown) => error);
    expect(isProblem(refused, "unauthorized")).toBe(true);
  });

  it("ends at once when it is aborted, with the reason, and when its reader leaves", async () => {
    const run = (await heddle.createRun({})).id;
    const stop = new AbortController();
    const watching = collect(heddle.followEvents(run, { after: 1 }, { signal: stop.signal }));
    const failed = expect(watching).rejects.toThrow("enough");
    stop.abort(new Error("enough"));
    await failed;
    for await (const { seq } of heddle.followEvents(run)) {
      expect(seq).toBe(1);
      break;
    }
  });

  it("is told what is wrong: no such run, and one that is deleted while it is watched", async () => {
    const gone = await collect(heddle.followEvents("run_00000000000000000000")).catch((error: unknown) => error);
    expect(isProblem(gone, "not_found")).toBe(true);
    const run = (await heddle.createRun({})).id;
    const watching = (async () => {
      for await (const _event of heddle.followEvents(run)) await heddle.deleteRun(run).catch(() => undefined);
    })();
    expect(isProblem(await watching.catch((error: unknown) => error), "not_found")).toBe(true);
  });

  it("says that it can't reach a server where there is none", async () => {
    const nowhere = new Heddle({ url: "http://127.0.0.1:1", key: "hdl_local", retryMs: 300 });
    for (const transport of ["websocket", undefined] as const) {
      const options = transport === undefined ? {} : { transport };
      const error = await collect(nowhere.followEvents("run_x", {}, options)).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(HeddleUnreachable);
    }
  });
});
