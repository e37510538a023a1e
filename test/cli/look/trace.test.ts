/** `heddle trace` over a line that breaks in the middle: only whole files appear. */

import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { heddleHere } from "../lib/in-process.ts";

it("says that the connection broke off, leaves no file, and prints no stack", async () => {
  const server = createServer(({ url }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    if (url === "/health") return void response.end('{"status":"ready"}');
    response.write('{"traceEvents":[{"name":"é', () => response.socket!.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  const file = join(folder, "run.json");
  try {
    const env = { HEDDLE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    const { status, stderr } = await heddleHere(["trace", "run_1", "-o", file], env);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^heddle: the connection broke off: .+\. The trace is not whole; write it again\.\n$/);
    expect([existsSync(file), readdirSync(folder)]).toEqual([false, []]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
