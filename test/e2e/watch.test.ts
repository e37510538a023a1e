/** A run followed live by many, through WebSockets of a real server; crash.test.ts kills one meanwhile. */

import { describe, expect, it } from "vitest";
import { type EventView, Heddle, HeddleUnreachable, isProblem } from "../../src/client/index.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
const { heddle } = server;

const work = (count: number) => Array.from({ length: count }, () => ({ pool: "watched", instructions: "do it" }));

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
    const [lease] = await heddle.lease("watched", { worker: "w", max: 1, wait_ms: 5000 });
    if (!lease) continue;
    await heddle.complete(lease.id, { result: "done", worker: "w" });
    done++;
  }
}

async function collect(events: AsyncIterable<EventView>): Promise<EventView[]> {
  const seen: EventView[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe("many watchers of one run", () => {
  it("three hundred of them see everything once and in order, from its beginning to its end", async () => {
    const run = (await heddle.createRun({ limits: { pools: ["watched"] } })).id;
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
