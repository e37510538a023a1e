/**
 * The heap of the worker's isolate, by the development server's inspector: every object of the worker is in it, and nothing
 * of the development server itself, whose memory is most of the processes'. SQLite's own pages are outside.
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const listening = "0A";
const probeMs = 1000;
/** It answers within some 5 s, and now and then not at all. */
const answerMs = 15_000;
const tries = 3;

/** Live objects after a full collection, in MB; undefined where no inspector answers (it is looked for in /proc). */
export async function liveHeapMb(pids: readonly number[]): Promise<number | undefined> {
  const urls = await Promise.all(listeningPorts(pids).map(inspectorAt));
  const url = urls.find((found) => found !== undefined);
  for (let left = url === undefined ? 0 : tries; left > 0; left--) {
    const bytes = await liveBytes(url!).catch(() => undefined);
    if (bytes !== undefined) return bytes / 1024 / 1024;
  }
  return undefined;
}

/** The inspector's port is one that the runtime chose: it is found among those that its processes listen on. */
function listeningPorts(pids: readonly number[]): number[] {
  try {
    const sockets = new Set(pids.flatMap(socketsOf));
    return readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === listening && sockets.has(inode!))
      .map(([, address]) => Number.parseInt(address!.split(":")[1]!, 16));
  } catch {
    return [];
  }
}

/** Inodes of a process's sockets. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1] ?? []);
}

async function inspectorAt(port: number): Promise<string | undefined> {
  try {
    const reply = await fetch(`http://127.0.0.1:${port}/json`, { signal: AbortSignal.timeout(probeMs) });
    const targets = (await reply.json()) as { webSocketDebuggerUrl: string }[];
    // The runtime's own inspector lists each worker, and is taken by the development server; that one passes calls on.
    return targets.find(({ webSocketDebuggerUrl }) => webSocketDebuggerUrl.endsWith("/ws"))?.webSocketDebuggerUrl;
  } catch {
    return undefined;
  }
}

async function liveBytes(url: string): Promise<number> {
  // It answers only those whose origin is local. Headers are Node's addition to the standard.
  const socket = new WebSocket(url, { headers: { origin: "http://localhost" } } as never);
  let asked = 0;
  const ask = (method: string) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++asked;
      setTimeout(() => reject(new Error(`the inspector did not answer ${method}`)), answerMs).unref();
      socket.addEventListener("message", ({ data }) => {
        const reply = JSON.parse(String(data)) as { id?: number; result?: unknown };
        if (reply.id === id) resolve(reply.result);
      });
      socket.send(JSON.stringify({ id, method }));
    });
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`no inspector at ${url}`)));
    });
    await ask("HeapProfiler.collectGarbage");
    const usage = (await ask("Runtime.getHeapUsage")) as { usedSize: number; backingStorageSize: number };
    // Contents of array buffers are kept outside of the heap proper.
    return usage.usedSize + usage.backingStorageSize;
  } finally {
    socket.close();
  }
}
