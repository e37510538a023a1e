#!/usr/bin/env node
// A command for `heddle work`: analyses source files.
//
//   heddle work --pool analysis --concurrency 4 -- node examples/analyse/main.mjs FOLDER
//
// The first line of a task's instructions says what to do; anything else is refused. FOLDER is this command's own argument
// and not the task's: instructions are untrusted input, and nothing outside of FOLDER is opened.
//
//   analyse file: src/index.ts       one file
//   combine folder: src              the results of the tasks that this one comes after
//   combine all: .                   the same, with what only the whole shows

import { readFileSync } from "node:fs";
import { analyseFile } from "./analyse-file.mjs";
import { combine, concluded } from "./combine.mjs";
import { dependencyResults } from "./dependency-results.mjs";

const root = process.argv[2];
if (root === undefined) fail("usage: main.mjs FOLDER");

const task = JSON.parse(readFileSync(0, "utf8"));
const [, what, path] =
  /^(analyse file|combine folder|combine all): (.+)$/m.exec(task.instructions.split("\n", 1)[0]) ?? [];
try {
  process.stdout.write(JSON.stringify(await work()));
} catch (error) {
  // fetch throws a TypeError when the server is away: that may pass, and the task may be tried again.
  fail(error.message, error instanceof TypeError && error.cause !== undefined ? 75 : 1);
}

async function work() {
  if (what === "analyse file") return analyseFile(root, path);
  if (what === undefined)
    throw new Error(
      `the first line of the instructions is none that this command knows: ${task.instructions.slice(0, 100)}`,
    );
  const combined = combine(path, await dependencyResults(task));
  return what === "combine all" ? concluded(combined) : combined;
}

function fail(message, status = 1) {
  process.stderr.write(`${message}\n`);
  process.exit(status);
}
