/** Who may watch a run through a WebSocket, and how the others learn why not. */

import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import { signTicket } from "../../../src/http/watch-ticket.ts";
import { ticketMsMax, watcherLifeMs } from "../../../src/limits.ts";
import { TestWatcher } from "../../objects/lib/watcher.ts";

const bindings = env as unknown as HttpEnv;
const app = createApp({
  hosts: ["heddle.test"],
  localKeys: {
    keys: [
      { key: "hdl_watch", tenant: "ten_watch", scopes: ["runs"] },
      { key: "hdl_other", tenant: "ten_other", scopes: ["runs"] },
      { key: "hdl_worker", tenant: "ten_watch", scopes: ["workers"] },
    ],
    operatorSecret: "operate",
  },
});

const send = (method: string, path: string, body: unknown = {}) =>
  app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(method === "POST" && { body: JSON.stringify(body) }),
      headers: { authorization: "Bearer hdl_watch", "content-type": "application/json" },
    },
    bindings,
  );

async function newRun(): Promise<string> {
  const response = await send("POST", "/v1/runs");
  return ((await response.json()) as { id: string }).id;
}

const upgrade = (run: string, headers: Record<string, string> = {}, query = "") =>
  app.request(
    `http://heddle.test/v1/runs/${run}/events${query}`,
    { headers: { upgrade: "websocket", ...headers } },
    bindings,
  );

const bringing = (token: string) => ({ "sec-websocket-protocol": `heddle.v1, heddle.bearer.${token}` });

async function ticketFor(run: string, body: object = {}): Promise<{ ticket: string; expires_at: number }> {
  const response = await send("POST", `/v1/runs/${run}/events/ticket`, body);
  expect(response.status).toBe(201);
  return response.json();
}

/** A refusal as a page sees it: through the socket. */
async function refusal(response: Response): Promise<{ code: number; reason: string; problem: unknown }> {
  expect(response.status).toBe(101);
  const watcher = new TestWatcher(response.webSocket!);
  const closed = await watcher.closed;
  expect(watcher.messages).toHaveLength(1);
  return { ...closed, problem: watcher.messages[0]!.problem };
}

describe("who may watch", () => {
  it("who has the key in the header", async () => {
    const response = await upgrade(await newRun(), { authorization: "Bearer hdl_watch" });
    expect(response.status).toBe(101);
    expect(response.headers.get("sec-websocket-protocol")).toBeNull();
    const watcher = new TestWatcher(response.webSocket!);
    await watcher.seen(1);
    watcher.socket.close();
  });

  it("who brings the key, or a ticket for the run, as a subprotocol; the answer names neither", async () => {
    const run = await newRun();
    for (const token of ["hdl_watch", (await ticketFor(run)).ticket]) {
      const response = await upgrade(run, bringing(token));
      expect([response.status, response.headers.get("sec-websocket-protocol")]).toEqual([101, "heddle.v1"]);
      const watcher = new TestWatcher(response.webSocket!);
      await watcher.seen(1);
      watcher.socket.close();
    }
  });

  it("with the filters of the stream: after an event, and refused as there when they are no numbers", async () => {
    const run = await newRun();
    await send("POST", `/v1/runs/${run}/tasks`, { tasks: [{ pool: "box", instructions: "x" }] });
    await send("POST", `/v1/runs/${run}/finish`, { cancel: true });
    const watcher = new TestWatcher((await upgrade(run, bringing("hdl_watch"), "?after=2")).webSocket!);
    await watcher.closed;
    expect(watcher.events[0]!.seq).toBe(3);
    const bad = await refusal(await upgrade(run, bringing("hdl_watch"), "?after=x"));
    expect(bad).toMatchObject({ code: 4422, reason: "validation_failed", problem: { errors: [{ path: "after" }] } });
  });
});

describe("who may not, and learns why: by an answer, or where a page could not read that, through the socket", () => {
  it("without a key, with an unknown one, with one that lacks the scope, of another tenant", async () => {
    const run = await newRun();
    expect((await upgrade(run)).status).toBe(401);
    expect((await upgrade(run, { authorization: "Bearer hdl_nobody" })).status).toBe(401);
    expect(await refusal(await upgrade(run, { "sec-websocket-protocol": "heddle.v1" }))).toMatchObject({ code: 4401 });
    for (const [key, code, reason] of [
      ["hdl_nobody", 4401, "unauthorized"],
      ["hdl_worker", 4403, "forbidden"],
      ["hdl_other", 4404, "not_found"],
    ] as const) {
      const seen = await refusal(await upgrade(run, bringing(key)));
      expect(seen).toMatchObject({ code, reason, problem: { code: reason, status: code - 4000 } });
    }
  });

  it("a run that is none, or is gone", async () => {
    const run = await newRun();
    await send("DELETE", `/v1/runs/${run}`);
    for (const name of [run, "nothing"])
      expect(await refusal(await upgrade(name, bringing("hdl_watch")))).toMatchObject({ code: 4404 });
  });

  it("with a ticket of another run or deployment, a changed one, or an old one", async () => {
    const run = await newRun();
    const { ticket } = await ticketFor(run, { ttl_ms: ticketMsMax });
    const other = await ticketFor(await newRun());
    const foreign = await signTicket("ab".repeat(32), { tenant: "ten_watch", run, expiresAt: Date.now() + 60_000 });
    const changed = ticket.replace(/\.(.)/, (_, first) => (first === "A" ? ".B" : ".A"));
    for (const token of [other.ticket, foreign, changed, "hdt_", "hdt_x.y", `hdt_${"a".repeat(1000)}`]) {
      expect(await refusal(await upgrade(run, bringing(token)))).toMatchObject({ code: 4401, reason: "unauthorized" });
    }
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ticketMsMax });
    try {
      expect(await refusal(await upgrade(run, bringing(ticket)))).toMatchObject({
        problem: { detail: expect.stringContaining("time is over") },
      });
    } finally {
      vi.useRealTimers();
    }
  });

  it("a socket outlives its ticket, or key, by its time: then it is told no more, and the next is refused", async () => {
    const run = await newRun();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - watcherLifeMs });
    const { ticket } = await ticketFor(run);
    const response = await upgrade(run, bringing(ticket));
    vi.useRealTimers();
    const watcher = new TestWatcher(response.webSocket!);
    await send("POST", `/v1/runs/${run}/finish`);
    expect(await watcher.closed).toEqual({ code: 4205, reason: "again" });
    expect(watcher.events.some(({ type }) => type === "run_ended")).toBe(false);
    expect(await refusal(await upgrade(run, bringing(ticket)))).toMatchObject({ code: 4401 });
  });

  it("a ticket opens nothing else, and nobody gets one for a run that is not theirs", async () => {
    const run = await newRun();
    const { ticket } = await ticketFor(run);
    const read = await app.request(
      `http://heddle.test/v1/runs/${run}`,
      { headers: { authorization: `Bearer ${ticket}` } },
      bindings,
    );
    expect(read.status).toBe(401);
    const stream = await app.request(
      `http://heddle.test/v1/runs/${run}/events`,
      { headers: bringing(ticket) },
      bindings,
    );
    expect(stream.status).toBe(401);
    const foreign = await app.request(
      `http://heddle.test/v1/runs/${run}/events/ticket`,
      { method: "POST", headers: { authorization: "Bearer hdl_other" } },
      bindings,
    );
    expect(foreign.status).toBe(404);
    expect((await send("POST", `/v1/runs/${run}/events/ticket`, { ttl_ms: ticketMsMax + 1 })).status).toBe(422);
  });

  it("a page of another host, where the server answers to its own only: a socket asks for no permission first", async () => {
    const run = await newRun();
    for (const origin of ["https://evil.test", "null"])
      expect((await upgrade(run, { ...bringing("hdl_watch"), origin })).status).toBe(403);
    const own = await upgrade(run, { ...bringing("hdl_watch"), origin: "http://heddle.test:3000" });
    own.webSocket!.accept();
    expect(own.status).toBe(101);
  });
});
