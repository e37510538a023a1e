// The demo's pull workers: `heddle work` processes, as anybody would start them.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../lib/wrangler.mjs";

const stopMs = 10_000;

/** Starts `count` workers. `failed` rejects when one ends before it is told to. */
export function startWorkers({ count, concurrency, pool, root, url, key }) {
  let stopping = false;
  const children = Array.from({ length: count }, () => {
    // The machine that they work on is the server's, too: its load says nothing about them.
    const args = ["work", "--pool", pool, "--concurrency", String(concurrency), "--max-load", "100", "--json", "--"];
    const command = [process.execPath, join(projectRoot, "examples", "analyse", "main.mjs"), root];
    return spawn(process.execPath, [join(projectRoot, "dist", "cli", "main.js"), ...args, ...command], {
      env: { ...process.env, HEDDLE_URL: url, HEDDLE_API_KEY: key },
      stdio: ["ignore", "ignore", "pipe"],
      // Ctrl-C reaches the demo, which then stops the workers.
      detached: process.platform !== "win32",
    });
  });
  const ends = children.map((child) => {
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr = (stderr + text).slice(-4000);
    });
    return new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", (status) => resolve(`status ${status}: ${stderr.trim()}`));
    });
  });
  const failed = Promise.race(ends).then((how) => {
    if (!stopping) throw new Error(`a worker ended by itself (${how})`);
  });
  failed.catch(() => undefined);
  return {
    /** Rejects if a worker ends by itself; resolves when they were stopped. */
    failed,
    /** No new tasks, what runs may finish; after a bound, by force. */
    async stop() {
      stopping = true;
      for (const child of children) child.kill("SIGTERM");
      const late = setTimeout(() => {
        for (const child of children) child.kill("SIGTERM");
      }, stopMs);
      await Promise.all(ends);
      clearTimeout(late);
    },
    /** At once: commands are stopped, too. */
    async abort() {
      stopping = true;
      for (const child of children) child.kill("SIGTERM");
      for (const child of children) child.kill("SIGTERM");
      await Promise.all(ends);
    },
  };
}
