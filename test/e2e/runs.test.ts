/** What is done to a run from outside, and what is seen of it: waiting, paging, following, pausing, ending. */

import { describe, expect, it } from "vitest";
import { type EventView, isProblem, type TaskSpec } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;

const fails = (more: Partial<TaskSpec> = {}): TaskSpec => ({
  instructions: plays([{ calls: [{ tool: "finish", arguments: { error: { code: "sad", message: "no" } } }] }]),
  ...more,
});
const slow = (key: string, ms: number): TaskSpec => ({ key, instructions: says(key, { latency_ms: ms }) });

const newRun = async (spec: Parameters<typeof heddle.createRun>[0] = {}, ...tasks: TaskSpec[]): Promise<string> => {
  const { id } = await heddle.createRun(spec);
  if (tasks.length > 0) await heddle.createTasks(id, { tasks });
  return id;
};

async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return isProblem(error) ? error.code : String(error);
  }
}

describe("wait", () => {
  it("all, any and settled are done when they say, in the order asked for", async () => {
    const run = await newRun(
      {},
      { key: "late", pool: "late", instructions: "x" },
      slow("soon", 50),
      fails({ key: "bad" }),
    );
    const [late] = await heddle.lease("late", { worker: "w", wait_ms: 20_000 });
    const any = await heddle.wait(run, { tasks: ["late", "bad", "soon"], mode: "any", timeout_ms: 20_000 });
    expect(any.done).toBe(true);
    expect(any.tasks!.map(({ key, state }) => [key, state])).toEqual([
      ["late", "running"],
      ["bad", expect.any(String)],
      ["soon", "succeeded"],
    ]);
    const early = await heddle.wait(run, { tasks: ["late", "soon"], mode: "all", timeout_ms: 0 });
    expect(early.done).toBe(false);
    // The first that ends otherwise ends the wait for all.
    const all = await heddle.wait(run, { tasks: ["late", "bad"], mode: "all", timeout_ms: 20_000 });
    expect(all).toMatchObject({ done: true, tasks: [{ state: "running" }, { state: "failed" }] });
    await heddle.complete(late!.id, { result: "late" });
    const settled = await heddle.wait(run, { tasks: ["bad", "late"], mode: "settled", timeout_ms: 20_000 });
    expect(settled).toMatchObject({ done: true, tasks: [{ state: "failed" }, { state: "succeeded", result: "late" }] });
    const failedOnly = await heddle.wait(run, { tasks: ["bad"], mode: "any", timeout_ms: 20_000 });
    expect(failedOnly.done).toBe(true);
  });

  it("without tasks counts the whole run, tasks created meanwhile included", async () => {
    const none = await newRun();
    expect(await heddle.wait(none)).toMatchObject({ done: true, failed: [] });
    const root: TaskSpec = {
      instructions: plays([
        {
          latency_ms: 300,
          calls: [
            { tool: "create_task", arguments: { ...fails(), key: "bad" } },
            { tool: "create_task", arguments: { key: "good", instructions: says("good", { latency_ms: 300 }) } },
          ],
        },
        { text: "left them alone" },
      ]),
    };
    const run = await newRun({ root });
    const { done, counts, failed } = await heddle.wait(run, { mode: "settled", timeout_ms: 30_000 });
    expect(done).toBe(true);
    expect(counts).toMatchObject({ failed: 1, succeeded: 2, running: 0, parked: 0 });
    const bad = (await heddle.listTasks(run, { state: "failed" })).tasks[0]!;
    expect(failed).toEqual([bad.id]);
  });

  it("returns not done when its time is over, and holds nothing up", async () => {
    const run = await newRun({}, { key: "never", pool: "nobody", instructions: "x" });
    const startedAt = Date.now();
    expect((await heddle.wait(run, { timeout_ms: 300 })).done).toBe(false);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(290);
  });
});

describe("pages", () => {
  it("of tasks are complete, in order, and filtered", async () => {
    const count = 23;
    const run = await newRun(
      {},
      ...Array.from({ length: count }, (_, i) => ({ key: `t-${i}`, pool: "nobody", instructions: `${i}` })),
    );
    const keys: (string | null)[] = [];
    let pages = 0;
    for (let cursor: string | undefined; ; pages++) {
      const page = await heddle.listTasks(run, { limit: 5, ...(cursor !== undefined && { cursor }) });
      expect(page.tasks.length).toBeLessThanOrEqual(5);
      keys.push(...page.tasks.map(({ key }) => key));
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    expect(keys).toEqual(Array.from({ length: count }, (_, i) => `t-${i}`));
    expect(pages).toBe(4);
    await heddle.cancelTask(run, "t-3");
    expect((await heddle.listTasks(run, { state: "cancelled" })).tasks.map(({ key }) => key)).toEqual(["t-3"]);
  });

  it("of runs are the tenant's own, oldest first", async () => {
    const made = [await newRun({ name: "p1" }), await newRun({ name: "p2" }), await newRun({ name: "p3" })];
    const ids: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await heddle.listRuns({ limit: 2, ...(cursor !== undefined && { cursor }) });
      ids.push(...page.runs.map(({ id }) => id));
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    expect(ids.filter((id) => made.includes(id))).toEqual(made);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("the live log", () => {
  /** Frames of a stream until `enough`, or its end. */
  async function follow(run: string, lastEventId: string, enough: (events: EventView[]) => boolean) {
    const stop = new AbortController();
    const response = await fetch(`${server.url}/v1/runs/${run}/events`, {
      headers: {
        authorization: "Bearer hdl_local",
        accept: "text/event-stream",
        ...(lastEventId !== "" && { "last-event-id": lastEventId }),
      },
      signal: stop.signal,
    });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const events: EventView[] = [];
    let text = "";
    let ended = false;
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop()!;
      for (const frame of frames) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1];
        if (field("event") === "end") ended = true;
        else if (field("data") !== undefined) {
          const event = JSON.parse(field("data")!) as EventView;
          expect(field("id")).toBe(String(event.seq));
          expect(field("event")).toBe(event.type);
          events.push(event);
        }
      }
      if (enough(events)) break;
    }
    stop.abort();
    return { events, ended };
  }

  it("is followed, cut, resumed after the last id, and ends with the run", async () => {
    const run = await newRun(
      {},
      slow("a", 200),
      { ...slow("b", 200), after: ["a"] },
      { ...slow("c", 200), after: ["b"] },
    );
    const first = await follow(run, "", (events) => eventsOf(events, "task_ended").length >= 1);
    expect(first.ended).toBe(false);
    const last = first.events.at(-1)!.seq;
    const rest = follow(run, String(last), () => false);
    await heddle.waitFor(run, { mode: "settled" });
    await heddle.finishRun(run);
    const second = await rest;
    expect(second.ended).toBe(true);
    expect([...first.events, ...second.events]).toEqual(await logOf(server, run));
    // A stream of a run that has ended is its whole log.
    const whole = await follow(run, "", () => false);
    expect(whole).toEqual({ events: await logOf(server, run), ended: true });
    const client: EventView[] = [];
    for await (const event of heddle.followEvents(run)) client.push(event);
    expect(client).toEqual(whole.events);
  });

  it("names what caused what", async () => {
    const run = await newRun({}, slow("a", 10), { ...slow("b", 10), after: ["a"] });
    await heddle.waitFor(run, { mode: "all" });
    const events = await logOf(server, run);
    const [a, b] = (await heddle.listTasks(run)).tasks;
    const ready = eventsOf(events, "task_ready", b!.id)[0]!;
    expect(ready.causes).toEqual([eventsOf(events, "task_ended", a!.id)[0]!.seq]);
    for (const event of events) for (const cause of event.causes) expect(cause).toBeLessThan(event.seq);
  });
});

describe("a run", () => {
  it("that is paused starts nothing and loses nothing; resumed it goes on where it was", async () => {
    const turns = [
      // Long enough to be seen at it, and paused meanwhile.
      { calls: [{ tool: "inspect", arguments: {} }], latency_ms: 2_000 },
      { text: "after the pause", latency_ms: 50 },
    ];
    const run = await newRun({ limits: { workers: 1 } }, { key: "long", instructions: plays(turns) }, slow("next", 10));
    await until("it runs", 10_000, async () => (await heddle.run(run)).counts.running === 1);
    expect(await heddle.pauseRun(run)).toMatchObject({ status: "paused", reason: "asked" });
    await until("it is given back", 10_000, async () => (await heddle.run(run)).counts.running === 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await heddle.run(run)).toMatchObject({ status: "paused", counts: { ready: 2, succeeded: 0 } });
    expect((await heddle.task(run, "long")).turns).toBe(1);
    expect((await heddle.pauseRun(run)).status).toBe("paused");
    await heddle.resumeRun(run);
    await heddle.waitFor(run, { mode: "all" });
    expect(await heddle.task(run, "long")).toMatchObject({ result: "after the pause", turns: 2 });
  });

  it("that is cancelled ends at once with all that lives in it, and takes nothing more", async () => {
    const tree: TaskSpec = {
      key: "tree",
      instructions: plays([
        {
          calls: [{ tool: "create_task", arguments: { key: "deep", instructions: says("x", { latency_ms: 60_000 }) } }],
        },
        { calls: [{ tool: "await_tasks", arguments: { tasks: ["deep"] } }] },
      ]),
    };
    const run = await newRun({}, tree, { key: "done", instructions: says("done") }, slow("blocked", 10));
    await until("the tree is deep", 10_000, async () => (await heddle.run(run)).counts.parked === 1);
    await heddle.waitFor(run, { tasks: ["done", "blocked"], mode: "all" });
    const cancelled = await heddle.cancelRun(run, { reason: "enough" });
    expect(cancelled).toMatchObject({ status: "cancelled", counts: { cancelled: 2, succeeded: 2 }, idle: true });
    expect(await code(heddle.createTasks(run, { tasks: [{ instructions: "x" }] }))).toBe("run_ended");
    expect(
      await code(heddle.appendContext(run, { after: cancelled.snapshot, messages: [{ role: "user", content: "x" }] })),
    ).toBe("run_ended");
    expect(await code(heddle.callTool(run, "create_task", { arguments: { instructions: "x" } }))).toBe("run_ended");
    expect(await code(heddle.pauseRun(run))).toBe("run_ended");
    // Reading goes on.
    expect(await heddle.callTool(run, "inspect")).toMatchObject({ result: { status: "cancelled" } });
    expect((await heddle.listTasks(run)).tasks).toHaveLength(4);
    expect((await heddle.taskContext(run, "tree")).messages!.length).toBeGreaterThan(1);
    expect((await logOf(server, run)).at(-1)).toMatchObject({ type: "run_ended", status: "cancelled" });
  });

  it("is finished when nothing lives, or by force; failures that nobody saw make it fail", async () => {
    const quiet = await newRun({}, slow("a", 10));
    await heddle.waitFor(quiet, { mode: "all" });
    expect(await heddle.run(quiet)).toMatchObject({ status: "active", idle: true });
    expect((await heddle.finishRun(quiet)).status).toBe("succeeded");
    expect((await heddle.finishRun(quiet)).status).toBe("succeeded");

    const live = await newRun({}, slow("a", 60_000));
    expect(await code(heddle.finishRun(live))).toBe("tasks_live");
    expect(await heddle.finishRun(live, { cancel: true })).toMatchObject({ counts: { cancelled: 1 }, idle: true });

    const sad = await newRun({}, fails());
    await heddle.waitFor(sad, { mode: "settled" });
    expect(await heddle.finishRun(sad)).toMatchObject({ status: "failed", reason: "unhandled_failure" });

    const seen = await newRun({}, fails({ key: "bad" }), {
      ...slow("reader", 10),
      after: ["bad"],
      on_dependency_failure: "run",
    });
    await heddle.waitFor(seen, { mode: "settled" });
    expect((await heddle.finishRun(seen)).status).toBe("succeeded");
  });

  it("is reopened by the retry of a task, which brings back what was skipped for it", async () => {
    const run = await newRun(
      {},
      { key: "flaky", instructions: says("well", { fail: { status: 400, times: 1 } }) },
      { ...slow("after", 10), after: ["flaky"] },
      { ...slow("later", 10), after: ["after"] },
    );
    await heddle.waitFor(run, { mode: "settled" });
    expect(await heddle.task(run, "flaky")).toMatchObject({ state: "failed", error: { code: "provider_rejected" } });
    expect(await heddle.task(run, "later")).toMatchObject({ state: "skipped", error: { code: "dependency_failed" } });
    expect((await heddle.task(run, "later")).error?.cause?.error.cause?.error.code).toBe("provider_rejected");
    expect((await heddle.finishRun(run)).status).toBe("failed");
    expect(await heddle.retryTask(run, "flaky")).toMatchObject({ generation: 2 });
    expect((await heddle.run(run)).status).toBe("active");
    await heddle.waitFor(run, { mode: "all" });
    expect((await heddle.finishRun(run)).status).toBe("succeeded");
    for (const key of ["flaky", "after", "later"]) {
      expect(await heddle.task(run, key)).toMatchObject({ state: "succeeded", generation: 2 });
    }
  });

  it("is deleted with everything it has", async () => {
    const run = await newRun({ name: "to delete" }, slow("a", 60_000));
    await heddle.deleteRun(run);
    expect(await code(heddle.run(run))).toBe("not_found");
    expect(await code(heddle.listTasks(run))).toBe("not_found");
    expect(await code(heddle.deleteRun(run))).toBe("not_found");
    for (let cursor: string | undefined; ; ) {
      const page = await heddle.listRuns({ limit: 1000, ...(cursor !== undefined && { cursor }) });
      expect(page.runs.map(({ id }) => id)).not.toContain(run);
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
  });

  it("with a root ends as the root does, and cancels the root's siblings unless they are detached", async () => {
    const root: TaskSpec = { pool: "with-root", instructions: "x" };
    const run = await newRun(
      { root },
      { key: "sibling", pool: "nobody", instructions: "x" },
      { key: "apart", pool: "apart", instructions: "x", detached: true },
    );
    const { root: rootId } = await heddle.run(run);
    const [leased] = await heddle.lease("with-root", { worker: "w", wait_ms: 20_000 });
    await heddle.complete(leased!.id, { result: "the answer" });
    expect((await heddle.task(run, rootId!)).state).toBe("succeeded");
    expect(await heddle.task(run, "sibling")).toMatchObject({ state: "cancelled" });
    expect((await heddle.run(run)).status).toBe("active");
    const [apart] = await heddle.lease("apart", { worker: "w", wait_ms: 20_000 });
    await heddle.complete(apart!.id, { result: "apart" });
    const ended = await until("the run ends", 20_000, async () => {
      const view = await heddle.run(run);
      return view.status !== "active" && view;
    });
    expect(ended).toMatchObject({ status: "succeeded", counts: { succeeded: 2, cancelled: 1 } });

    const failing = await newRun({ root: fails() });
    await heddle.waitFor(failing, { mode: "settled" });
    expect((await heddle.run(failing)).status).toBe("failed");
  });
});

describe("a task that is cancelled", () => {
  it("takes its own tasks along, skips what depends on it, and its late turn is refused", async () => {
    const tree: TaskSpec = {
      key: "tree",
      instructions: plays([
        {
          calls: [
            { tool: "create_task", arguments: { key: "child", instructions: says("x", { latency_ms: 60_000 }) } },
            {
              tool: "create_task",
              arguments: { key: "apart", detached: true, instructions: says("apart", { latency_ms: 3_000 }) },
            },
          ],
        },
        { text: "too late", latency_ms: 3_000 },
      ]),
    };
    const run = await newRun({}, tree, { ...slow("dependent", 10), after: ["tree"] });
    await until("it has children", 10_000, async () => (await heddle.run(run)).counts.running === 3);
    expect(await heddle.cancelTask(run, "tree", { reason: "no need" })).toMatchObject({
      state: "cancelled",
      error: { code: "cancelled", message: "no need" },
    });
    await heddle.waitFor(run, { mode: "settled" });
    const states = Object.fromEntries((await heddle.listTasks(run)).tasks.map(({ key, state }) => [key, state]));
    expect(states).toEqual({ tree: "cancelled", dependent: "skipped", child: "cancelled", apart: "succeeded" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await heddle.task(run, "tree")).toMatchObject({ state: "cancelled", turns: 1, result: null });
  });
});
