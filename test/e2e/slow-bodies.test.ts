/**
 * Two tenants fill a real server with requests whose bodies come byte by byte: a third is refused while they may take their time, and
 * is let in once they are late, long before their places would have ended by themselves.
 */

import { Agent, type ClientRequest, request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { shares } from "../../src/admission.ts";
import { admissionMs, doorWorkMax } from "../../src/limits.ts";
import { until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";

let server: LocalServer;
const agent = new Agent({ keepAlive: false });
const sent: ClientRequest[] = [];
let trickling: NodeJS.Timeout;
beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  clearInterval(trickling);
  for (const one of sent) one.destroy();
  agent.destroy();
  await server?.stop();
});

const operator = "hdl_local_admin";

async function newKey(name: string): Promise<string> {
  const { id } = (await server.call("POST", "/admin/tenants", { name }, operator)).json;
  return (await server.call("POST", `/admin/tenants/${id}/keys`, { scopes: ["runs"] }, operator)).json.key;
}

/** Creates a run, in an hour or so. */
function trickle(key: string, answered: (status: number, text: string) => void): void {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": "4000" };
  const one = request(`${server.url}/v1/runs`, { method: "POST", agent, headers });
  one.on("error", () => {});
  one.on("response", (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    response.on("end", () => answered(response.statusCode ?? 0, text));
  });
  one.write("{");
  sent.push(one);
}

it("bodies of two tenants that come byte by byte keep no third one out", async () => {
  const keys = await Promise.all(["a", "b"].map(newKey));
  const answers: { status: number; text: string }[] = [];
  const room = doorWorkMax * shares.create.work;
  const fill = () => {
    for (let i = 0; i < room; i++) trickle(keys[i % 2]!, (status, text) => answers.push({ status, text }));
  };
  trickling = setInterval(() => {
    for (const one of sent) if (one.writable) one.write(" ");
  }, 1000);
  const create = async () => (await server.call("POST", "/v1/runs", {})).status;
  const isRefused = () => answers.some(({ text }) => text.includes("The body came slowly"));
  fill();
  let probes = 0;
  await until("a full door", 30_000, async () => {
    // As in burst.test.ts: an isolate that was replaced has its door full again.
    if (++probes % 40 === 0) fill();
    // On a slow machine the first are late before the last are there: who is refused for that has been in a full door.
    return (await create()) === 503 || isRefused();
  });
  const since = Date.now();
  await until("a place", 60_000, async () => (await create()) === 201);
  expect(Date.now() - since).toBeLessThan(admissionMs / 2);
  // They are told why, and no run of theirs is there.
  await until("refusals", 10_000, async () => isRefused());
  expect(answers.filter(({ status }) => status !== 503 && status !== 429)).toEqual([]);
  for (const key of keys) expect((await server.call("GET", "/v1/runs", undefined, key)).json.runs).toEqual([]);
}, 120_000);
