/** The client behind what stands between it and a server: proxies with pages of their own, lines that break, or say nothing more. */

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Heddle, HeddleUnreachable } from "../../src/client/index.ts";
import { sleep } from "../../src/client/sleep.ts";
import { serverEvents } from "../../src/client/sse.ts";

let server: Server;
let client: Heddle;
let answers: RequestListener[];
let asked: number;
const html = { "content-type": "text/html" };
const json = { "content-type": "application/json" };
const page = (status: number, headers: Record<string, string> = {}): RequestListener => {
  return (_, response) => void response.writeHead(status, { ...html, ...headers }).end("<html>a proxy</html>");
};
const run: RequestListener = (_, response) => void response.writeHead(200, json).end('{"id":"run_1"}');

beforeEach(async () => {
  asked = 0;
  // One after another, the last one for ever.
  server = createServer((request, response) => answers[Math.min(asked++, answers.length - 1)]!(request, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  client = new Heddle({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key: "hdl_k" });
});
afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe("retry-after", () => {
  it("as a date is one of the server's clock, however this one goes", async () => {
    const now = Date.now() + 3_600_000;
    const date = new Date(now).toUTCString();
    const later = new Date(now + 1000).toUTCString();
    answers = [page(503, { date, "retry-after": later }), run];
    const startedAt = performance.now();
    expect(await client.run("r", { retryMs: 10_000 })).toEqual({ id: "run_1" });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  it("that is longer than a timer can be is waited for, and not asked again at once", async () => {
    answers = [page(429, { "retry-after": "99999999" })];
    const abort = new AbortController();
    const call = client.run("r", { retryMs: Number.POSITIVE_INFINITY, signal: abort.signal });
    while (asked === 0) await sleep(5);
    await sleep(300);
    abort.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    expect(asked).toBe(1);
  });
});

describe("a clock that is set while the server is away", () => {
  const hour = 3_600_000;
  const setBy = (ms: number) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const busy = page(503);
    answers = [
      (request, response) => {
        vi.setSystemTime(Date.now() + ms);
        busy(request, response);
      },
    ];
  };
  afterEach(() => {
    vi.useRealTimers();
  });

  it("forward does not end the repeats", async () => {
    setBy(hour);
    answers.push(run);
    expect(await client.run("r", { retryMs: 10_000 })).toEqual({ id: "run_1" });
    const problem = JSON.stringify({ code: "overloaded", title: "busy", status: 503, retryable: true });
    const sse = { "content-type": "text/event-stream" };
    asked = 0;
    answers = [
      (_, response) => {
        vi.setSystemTime(Date.now() + hour);
        response.writeHead(200, sse).end(`event: problem\ndata: ${problem}\n\n`);
      },
      (_, response) => void response.writeHead(200, sse).end("event: end\ndata: {}\n\n"),
    ];
    for await (const _ of client.followEvents("r", {}, { transport: "sse", retryMs: 10_000 })) throw new Error("none");
    expect(asked).toBe(2);
  });

  it("back does not prolong them", async () => {
    setBy(-hour);
    const startedAt = performance.now();
    await expect(client.run("r", { retryMs: 300 })).rejects.toMatchObject({ code: "not_heddle" });
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});

describe("a 404 that is not Heddle's", () => {
  it("is the end where Heddle has never answered", async () => {
    answers = [page(404)];
    await expect(client.run("r")).rejects.toMatchObject({ code: "not_heddle", status: 404, retryable: false });
    expect(asked).toBe(1);
  });

  it("is a proxy that does not find its server where Heddle has, and is waited out", async () => {
    answers = [run, page(404), run];
    await client.run("r");
    expect(await client.run("r")).toEqual({ id: "run_1" });
    expect(asked).toBe(3);
  });

  it("of a server's own stays what it is", async () => {
    const notFound: RequestListener = (_, response) =>
      void response.writeHead(404, json).end('{"code":"not_found","title":"no","status":404,"retryable":false}');
    answers = [run, notFound];
    await client.run("r");
    await expect(client.run("r")).rejects.toMatchObject({ code: "not_found" });
    expect(asked).toBe(2);
  });
});

describe("a deletion whose answer was lost", () => {
  const problem = (status: number, code: string): RequestListener => {
    const headers = { ...json, "content-type": "application/problem+json" };
    return (_, response) => void response.writeHead(status, headers).end(JSON.stringify({ code, title: code, status }));
  };
  const broken: RequestListener = (request) => void request.socket.destroy();
  const gone = problem(404, "not_found");

  it("is done where its repeat finds nothing", async () => {
    for (const first of [broken, problem(503, "overloaded"), page(502)]) {
      [asked, answers] = [0, [first, gone]];
      await client.deleteRun("r");
      expect(asked).toBe(2);
    }
    [asked, answers] = [0, [broken, gone]];
    await client.deleteProvider("p");
  });

  it("is none of what the server had not begun, or never had", async () => {
    for (const before of [[], [problem(429, "too_many_requests")]]) {
      [asked, answers] = [0, [...before, gone]];
      await expect(client.deleteRun("r")).rejects.toMatchObject({ code: "not_found" });
    }
  });

  it("leaves what is not found to a reading call as it is", async () => {
    answers = [broken, gone];
    await expect(client.run("r")).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("an answer that is none", () => {
  const said = (status: number, text: string): RequestListener => {
    return (_, response) => void response.writeHead(status, json).end(text);
  };

  it.each(["", "null", '"ok"', "1"])("as %j with 200 is asked for again", async (text) => {
    answers = [said(200, text), run];
    expect(await client.run("r")).toEqual({ id: "run_1" });
    expect(asked).toBe(2);
  });

  it("has no text where the status says so", async () => {
    answers = [(_, response) => void response.writeHead(204).end()];
    await client.deleteRun("r");
    expect(asked).toBe(1);
  });
});

describe("texts as they are", () => {
  const text = JSON.stringify({ messages: [{ role: "user", content: "é".repeat(40_000) }] });
  /** In the middle of a character. */
  const cut: RequestListener = (_, response) => {
    const bytes = Buffer.from(text);
    response.writeHead(200, { ...json, "content-length": bytes.length });
    response.write(bytes.subarray(0, 40_000 + (bytes[40_000]! >= 0xc0 ? 1 : 0)), () => response.socket!.destroy());
  };
  const whole: RequestListener = (_, response) => void response.writeHead(200, json).end(text);

  it("are asked for again when they break off", async () => {
    answers = [cut, whole];
    expect(await client.taskContextText("r", "t")).toBe(text);
    expect(asked).toBe(2);
  });

  it("that always break off are a server that can't be reached", async () => {
    answers = [cut];
    await expect(client.snapshotText("r", "5", { retryMs: 300 })).rejects.toBeInstanceOf(HeddleUnreachable);
    expect(asked).toBeGreaterThan(1);
  });

  it("are no page of a proxy's that says 200", async () => {
    answers = [page(200)];
    await expect(client.taskContextText("r", "t", { retryMs: 0 })).rejects.toMatchObject({ code: "not_heddle" });
  });
});

describe("followEvents, by the stream of events", () => {
  const options = { transport: "sse", retryMs: 400 } as const;
  const sse = { "content-type": "text/event-stream" };
  const frame = (seq: number) => `id: ${seq}\nevent: e\ndata: {"seq":${seq},"type":"e","text":"é"}\n\n`;
  const stream = (text: string): RequestListener => {
    return (_, response) => void response.writeHead(200, sse).end(text);
  };
  const followed = async (): Promise<number[]> => {
    const seqs: number[] = [];
    for await (const { seq } of client.followEvents("r", {}, options)) seqs.push(seq);
    return seqs;
  };

  it("ends with a server that answers with a proxy's page for good", async () => {
    answers = [stream(frame(1)), page(502)];
    await expect(followed()).rejects.toMatchObject({ code: "not_heddle", status: 502 });
  });

  it("ends with a server whose connections are always reset", async () => {
    answers = [stream(frame(1)), (request) => request.socket.resetAndDestroy()];
    await expect(followed()).rejects.toBeInstanceOf(HeddleUnreachable);
  });

  it("ends with a page that says 200 and is no stream of events", async () => {
    answers = [page(200)];
    await expect(followed()).rejects.toMatchObject({ code: "not_heddle" });
  });

  it("ends with a problem that passes and comes all the time", async () => {
    const problem = JSON.stringify({ code: "overloaded", title: "busy", status: 503, retryable: true });
    answers = [stream(`event: problem\ndata: ${problem}\n\n`)];
    await expect(followed()).rejects.toMatchObject({ code: "overloaded" });
  });

  it("goes on over streams that are cut in a frame, in a character, and before the first word", async () => {
    const cutIn: RequestListener = (_, response) => {
      const bytes = Buffer.from(frame(2));
      response.writeHead(200, sse);
      response.write(bytes.subarray(0, bytes.indexOf("é") + 1), () => response.socket!.resetAndDestroy());
    };
    const cutBefore: RequestListener = (_, response) => {
      response.writeHead(200, sse).flushHeaders();
      setTimeout(() => response.socket!.destroy(), 20);
    };
    answers = [stream(frame(1)), cutIn, cutBefore, stream(`${frame(2)}${frame(3)}event: end\ndata: {}\n\n`)];
    expect(await followed()).toEqual([1, 2, 3]);
    expect(asked).toBe(4);
  });

  it("gives up a stream that says nothing more, and not one with a heartbeat", async () => {
    const body = (beats: boolean) =>
      new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(Buffer.from(frame(1)));
          for (let beat = 0; beats && beat < 6; beat++) {
            await sleep(100);
            controller.enqueue(Buffer.from(": live\n\n"));
          }
          if (beats) controller.close();
        },
      });
    const lasted = async (beats: boolean) => {
      const startedAt = performance.now();
      let events = 0;
      for await (const _ of serverEvents(body(beats), 400)) events++;
      return { events, ms: performance.now() - startedAt };
    };
    const [silent, alive] = await Promise.all([lasted(false), lasted(true)]);
    expect([silent.events, alive.events]).toEqual([1, 1]);
    expect(silent.ms).toBeGreaterThanOrEqual(390);
    expect(alive.ms).toBeGreaterThanOrEqual(590);
  });

  it("gives up a server that takes the request and never answers", async () => {
    vi.spyOn(globalThis, "setTimeout").mockImplementationOnce(((then: () => void) => {
      return setTimeout(then, 50);
    }) as typeof setTimeout);
    answers = [() => undefined, stream("event: end\ndata: {}\n\n")];
    expect(await followed()).toEqual([]);
    expect(asked).toBe(2);
  });
});
