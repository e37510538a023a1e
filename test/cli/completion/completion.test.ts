/** What a shell is offered, from the table of commands; and a real bash that asks for it. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commands } from "../../../src/cli/commands.ts";
import { completionOf } from "../../../src/cli/completion/candidates.ts";
import { shells } from "../../../src/cli/completion/scripts.ts";
import { RunServer, TestServer, taskView } from "../lib/contract-server.ts";
import { HeddleProcess } from "../lib/heddle.ts";
import { heddleHere } from "../lib/in-process.ts";

const offered = (...typed: string[]) => {
  const completion = completionOf(typed, commands);
  return completion.kind === "words" ? completion.words.map(({ value }) => value) : completion;
};

describe("what may stand at the end", () => {
  it("of nothing are all commands that people use", () => {
    expect(offered("")).toEqual([
      ...commands.filter(({ hidden }) => !hidden).map(({ name }) => name),
      ...["help", "--help", "--version"],
    ]);
    expect(offered()).toEqual(offered(""));
  });

  it.each([
    [["ru"], ["run", "runs", "rules"]],
    [["--v"], ["--version"]],
    [
      ["help", "wa"],
      ["watch", "wait"],
    ],
    [["help", "wait", ""], []],
    [["frobnicate", ""], []],
    [["__complete", ""], []],
    [
      ["runs", "--"],
      ["--status", "--name", "--from", "--to", "--limit", "--all", "--json", "--help"],
    ],
    [["runs", "--json", "--l"], ["--limit"]],
    [["runs", "--limit", "5", "--l"], []],
    [["runs", "--limit", "--json", "--js"], ["--json"]],
    [["runs", "--status", "s"], ["succeeded"]],
    [["runs", "--status", "=", "s"], ["succeeded"]],
    [["runs", "--limit", ""], []],
    [["runs", ""], []],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [
      ["context", "run_1", "t", "--format", ""],
      ["text", "json"],
    ],
    [["logs", "r", "--type", "a", "--ty"], ["--type"]],
    [["logs", "r", "-f", "--f"], []],
    [["work", "--pool", "p", ""], ["--"]],
    [
      ["admin", "prices", ""],
      ["list", "set", "delete"],
    ],
  ])("%j is offered %j", (typed, values) => expect(offered(...typed)).toEqual(values));

  it.each([
    [["run", ""], { kind: "files" }],
    [["work", "--pool", "p", "--", "ls", ""], { kind: "files" }],
    [["rules", "check", ""], { kind: "files" }],
    [["rules", "show", ""], { kind: "names", names: "run", run: undefined }],
    [["show", ""], { kind: "names", names: "run", run: undefined }],
    [["show", "run_1", ""], { kind: "names", names: "task", run: "run_1" }],
    [["cancel", "--reason", "too late", "run_1", ""], { kind: "names", names: "task", run: "run_1" }],
    [["wait", "run_1", "a", "b", ""], { kind: "names", names: "task", run: "run_1" }],
    [["logs", "run_1", "--task", ""], { kind: "names", names: "task", run: "run_1" }],
    [["vars", "run_1", ""], { kind: "names", names: "variable", run: "run_1" }],
  ])("%j is asked for elsewhere: %j", (typed, asked) => expect(offered(...typed)).toEqual(asked));
});

describe("names that the server knows", () => {
  let server: RunServer;
  beforeAll(async () => {
    server = await new RunServer().start();
    server.tasks = [
      taskView(1),
      taskView(2, { key: null, title: "Second\ttask" }),
      taskView(3, { parent: "T1-abcdef" }),
    ];
    server.variables = [{ name: "the lock", kind: "lock" } as { name: string }, { name: "line\nbreak" }];
  });
  afterAll(() => server.stop());
  const complete = (...typed: string[]) => heddleHere(["__complete", ...typed], { HEDDLE_URL: server.url });

  it("are offered with what they are", async () => {
    expect((await complete("show", "")).stdout).toBe("run_1\tactive, kettles\n");
    expect((await complete("show", "run_x")).stdout).toBe("");
    expect((await complete("show", "run_1", "")).stdout).toBe("task1\tsucceeded\nT2-abcdef\tsucceeded, Second task\n");
    expect((await complete("vars", "run_1", "the")).stdout).toBe("the lock\tlock\n");
    expect((await complete("show", "run_9", "")).stdout).toBe("");
  });

  it("are none when there is no server, or it takes too long; and nothing is said", async () => {
    for (const url of ["http://127.0.0.1:1", "nonsense"])
      expect(await heddleHere(["__complete", "show", ""], { HEDDLE_URL: url })).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
    const silent = await new TestServer(() => new Promise<never>(() => undefined)).start();
    expect(await heddleHere(["__complete", "show", ""], { HEDDLE_URL: silent.url })).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
    await silent.stop();
  });

  it("takes words that look like flags for words", async () => {
    expect((await complete("runs", "--he")).stdout).toBe("--help\tall about it\n");
    expect((await complete("--help")).stdout).toBe("--help\tthe commands\n");
  });
});

describe("heddle completion", () => {
  it("prints a script for each shell that asks __complete", async () => {
    for (const shell of shells) {
      const { stdout, status } = await heddleHere(["completion", shell]);
      expect({ status, asks: stdout.includes("heddle __complete ") }).toEqual({ status: 0, asks: true });
      expect(JSON.parse((await heddleHere(["completion", shell, "--json"])).stdout)).toEqual({ shell, script: stdout });
    }
    expect((await heddleHere(["completion", "tcsh"])).stderr).toMatch(
      /SHELL is "tcsh"; it must be one of bash, zsh, fish/,
    );
  });

  it("makes bash complete", async () => {
    const server = await new RunServer().start();
    const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
    const main = join(import.meta.dirname, "../../../src/cli/main.ts");
    writeFileSync(join(folder, "heddle"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    chmodSync(join(folder, "heddle"), 0o755);
    // As bash itself calls the function: the words, the one under the cursor, and its answers.
    const ask = (...words: string[]) =>
      `COMP_WORDS=(${["heddle", ...words].map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _heddle; printf '<%s>' "\${COMPREPLY[@]}"; echo`;
    const script = [
      "source <(heddle completion bash)",
      "complete -p heddle",
      ask("wa"),
      ask("show", ""),
      ask("wait", "run_1", "--mode", "s"),
      ask("run", "x"),
    ].join("\n");
    // Not spawnSync: this process is the server.
    const bash = new HeddleProcess([], {
      command: ["bash", "--noprofile", "--norc", "-c", script],
      env: { PATH: `${folder}:${process.env.PATH}`, HEDDLE_URL: server.url },
    });
    expect(await bash.ended).toEqual({
      status: 0,
      stdout: "complete -F _heddle heddle\n<watch><wait>\n<run_1>\n<settled>\n<>\n",
      stderr: "",
    });
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it.each(["zsh", "fish"])("prints what %s can parse, where there is one", async (shell) => {
    const { stdout } = await heddleHere(["completion", shell]);
    const { error, status } = spawnSync(shell, ["-n"], { input: stdout });
    if (error === undefined) expect(status).toBe(0);
    // Balanced at least, where there is none.
    expect(stdout.match(/\b(function|if|while|do|then)\b/g)?.length).toBeGreaterThan(0);
    expect((stdout.match(/"/g) ?? []).length % 2).toBe(0);
  });
});
