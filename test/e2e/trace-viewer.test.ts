/** A trace of a real run in a real viewer: speedscope, as it comes in its package, in a real browser. */

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, extname, join, normalize } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { faultsOf } from "../trace/lib/trace-event-format.ts";
import { mayLeaveOut, noChromium, openChromium } from "./lib/chromium.ts";
import { sharedServer } from "./lib/shared.ts";
import { says } from "./lib/sim.ts";

const { heddle } = sharedServer();
const viewer = join(dirname(createRequire(import.meta.url).resolve("speedscope/package.json")), "dist/release");
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

let trace = "";
let server: Server;

beforeAll(async () => {
  // The viewer's files, and the trace beside them. Nothing comes from elsewhere.
  server = createServer(({ url = "/" }, response) => {
    const path = normalize(new URL(url, "http://viewer").pathname);
    if (path === "/run.trace.json") return response.end(trace);
    try {
      const type = types[extname(path)] ?? "application/octet-stream";
      const file = readFileSync(join(viewer, path));
      return response.writeHead(200, { "content-type": type }).end(file);
    } catch {
      return response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server?.closeAllConnections();
  server?.close();
});

const title = "a viewer opens a run's trace and shows its tasks, what they did, and its workers";

// A summary does not show titles of what was left out.
if (mayLeaveOut) console.warn(`left out: ${title}; ${noChromium}`);

it.skipIf(mayLeaveOut)(mayLeaveOut ? `${title} (left out: ${noChromium})` : title, async () => {
  const { id } = await heddle.createRun({ name: "woven" });
  const tasks = [
    { key: "spin", instructions: says("done", { latency_ms: 50 }) },
    { key: "weave", instructions: says("done", { latency_ms: 50 }), after: ["spin"] },
  ];
  await heddle.createTasks(id, { tasks });
  await heddle.waitFor(id, { mode: "all" });
  await heddle.finishRun(id);
  trace = await (await heddle.trace(id)).text();
  expect(faultsOf(trace)).toEqual([]);

  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/index.html#profileURL=/run.trace.json&view=sandwich`);
    // A track of the trace is a profile there: `n` goes to the next one. Its table has the names of slices.
    const shown = new Map<string, string>();
    for (let i = 1, all = 1; i <= all; i++) {
      const mark = page.getByText(new RegExp(`\\(${i}/\\d+\\)`)).first();
      const name = await mark.locator("..").innerText({ timeout: 10_000 });
      all = Number(/\/(\d+)\)/.exec(name)?.[1]);
      shown.set(name, await page.locator("table").last().innerText());
      await page.keyboard.press("n");
    }
    const track = (what: RegExp) => [...shown].find(([name]) => what.test(name))?.[1];
    expect(track(/Tasks .*T1-\w+ spin/)).toMatch(/\bspin\b/);
    expect(track(/Tasks .*T2-\w+ weave/)).toMatch(/\bweave\b/);
    expect(track(/Tasks .*T2-\w+ weave/)).toMatch(/\bmodel\b/);
    expect(track(/Tasks .*T2-\w+ weave/)).toMatch(/\bdependencies\b/);
    expect(track(/Workers/)).toMatch(/\bspin\b|\bweave\b/);
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
  }
});
