/**
 * The client in a real browser, as it was compiled, without a bundler: a page of another origin follows a run with a ticket, and
 * works with a run of its own through its own server, which has the key.
 * Only where there is a Chromium (`apt-get install chromium`, or its path in HEDDLE_CHROMIUM): CI installs nothing but npm packages.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { EventView } from "../../src/client/index.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { says } from "./lib/sim.ts";

const found = ["chromium", "chromium-browser", "google-chrome"].find(
  (name) => spawnSync(name, ["--version"]).status === 0,
);
const chromium = process.env.HEDDLE_CHROMIUM ?? found;
const server = sharedServer();
const { heddle } = server;

const compiled = mkdtempSync(join(tmpdir(), "heddle-client-"));
let told: (body: string) => void = () => undefined;
const site = createServer(async (request, response) => {
  const path = new URL(request.url!, "http://site").pathname;
  if (path.startsWith("/v1/")) {
    const { status, text } = await passedOn(request);
    response.writeHead(status, { "content-type": "application/json" }).end(text);
    return;
  }
  if (request.method === "POST") {
    let body = "";
    request
      .on("data", (chunk) => (body += chunk))
      .on("end", () => {
        response.end();
        told(body);
      });
    return;
  }
  const file = join(compiled, path);
  const isPage = path === "/";
  response.writeHead(isPage || existsSync(file) ? 200 : 404, {
    "content-type": isPage ? "text/html" : "text/javascript",
  });
  response.end(isPage ? page : existsSync(file) ? readFileSync(file) : "");
});

/** The key stays on the page's own server. */
async function passedOn(request: IncomingMessage): Promise<{ status: number; text: string }> {
  let body = "";
  for await (const part of request.setEncoding("utf8")) body += part;
  const key = request.headers["idempotency-key"];
  const answer = await fetch(server.url + request.url, {
    method: request.method!,
    headers: {
      authorization: "Bearer hdl_local",
      "content-type": "application/json",
      ...(typeof key === "string" && { "idempotency-key": key }),
    },
    ...(body !== "" && { body }),
  });
  return { status: answer.status, text: await answer.text() };
}

/** What it was told comes after the #, which no server sees. */
const page = `<!doctype html><script type="module">
  const told = (body) => fetch("/told", { method: "POST", body: JSON.stringify(body) });
  try {
    const { Heddle } = await import("/client/index.js");
    const { url, run, ticket } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    const seen = [];
    for await (const event of new Heddle({ url }).followEvents(run, {}, { ticket })) seen.push(event);
    const mine = await new Heddle({ url: location.origin }).runs.create({ name: "from a page" });
    const task = await mine.tasks.create({ instructions: "No script.", key: "one" });
    const locked = await mine.lock("l").with(({ fence }) => mine.map("m").increment("n", 1, { fence }));
    const [result] = await mine.tasks.all([task]);
    await mine.finish();
    await told({ seen, locked, result });
  } catch (error) {
    await told({ error: String(error) });
  }
</script>`;

beforeAll(async () => {
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  site.close();
  rmSync(compiled, { recursive: true, force: true });
});

it.skipIf(chromium === undefined)(
  "a page follows a run to its end with a ticket, and works with one, all without a key",
  async () => {
    // Not into dist/, which other tests run.
    const compiler = join(projectRoot, "node_modules/typescript/lib/tsc.js");
    const build = spawnSync(process.execPath, [compiler, "-p", "tsconfig.cli.json", "--outDir", compiled], {
      cwd: projectRoot,
    });
    expect(build.status).toBe(0);
    const run = (await heddle.createRun({})).id;
    const { ticket } = await heddle.watchTicket(run);
    const profile = mkdtempSync(join(tmpdir(), "heddle-chromium-"));
    const { port } = site.address() as AddressInfo;
    const hash = encodeURIComponent(JSON.stringify({ url: server.url, run, ticket }));
    const answer = new Promise<string>((resolve) => (told = resolve));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
    const browser: ChildProcess = spawn(chromium!, [...flags, `http://127.0.0.1:${port}/#${hash}`], {
      stdio: "ignore",
    });
    const gone = new Promise((resolve) => browser.once("exit", resolve));
    try {
      await heddle.createTasks(run, { tasks: [{ instructions: says("done") }] });
      await heddle.waitFor(run);
      await heddle.finishRun(run);
      const { seen, error, ...own } = JSON.parse(await answer) as { seen?: EventView[]; error?: string };
      expect(error).toBeUndefined();
      expect(own).toEqual({ locked: 1, result: expect.stringContaining("simulated") });
      expect(seen).toEqual((await heddle.events(run, { limit: 1000 })).events);
    } finally {
      browser.kill();
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);
