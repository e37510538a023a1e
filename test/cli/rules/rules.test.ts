/** `heddle rules`: what a file says, as text, as JSON and by its exit status. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestServer } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heddle-rules-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (text: string): string => {
  const path = join(folder, "RULES.md");
  writeFileSync(path, text);
  return path;
};
// Nobody listens there: no server is asked.
const check = (path: string, ...flags: string[]) =>
  heddleHere(["rules", "check", path, ...flags], { HEDDLE_URL: "http://127.0.0.1:9" });

describe("heddle rules set", () => {
  const said = () => server.calls.at(-1);
  const server = new TestServer(({ body, path }) => {
    if (path.endsWith("/rules/try"))
      return {
        status: 200,
        body: { as_of: 9, rules: [{ line: 1, rule: "at most 8 workers", fired: 2, tasks: 3, first_at: null }] },
      };
    const { rules = "" } = (body ?? {}) as { rules?: string };
    const by = { from: "run", line: 1, rule: "at most 8 workers" };
    return { status: 200, body: { id: "run_1", rules: rules === "" ? null : { rules: [], workers: { max: 8, by } } } };
  });
  beforeAll(() => server.start());
  afterAll(() => server.stop());
  const set = (text: string, ...more: string[]) =>
    heddleHere(["rules", "set", file(text), ...more], { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_test" });

  it("gives a run the file as it is, and says what binds it now", async () => {
    const text = "# R\n- At most 8 workers.\n- at most 9 workers\n";
    expect(await set(text, "run_1")).toEqual({
      status: 0,
      stdout: "run_1 has 2 rules of its own; at most 8 tasks work now (at most 8 workers).\n",
      stderr: expect.stringMatching(/RULES\.md:3: note: line 2 is about the same/),
    });
    expect(said()).toMatchObject({ method: "PUT", path: "/v1/runs/run_1/rules", body: { rules: text } });
    expect(JSON.parse((await set(text, "run_1", "--json")).stdout)).toMatchObject({ id: "run_1" });
    expect((await set("", "run_1")).stdout).toBe("run_1 has no rules.\n");
  });

  it("says what it would have done in a run that was", async () => {
    expect(
      await heddleHere(["rules", "try", file("- at most 8 workers"), "run_1"], { HEDDLE_URL: server.url }),
    ).toEqual({
      status: 0,
      stdout: "line  fired  tasks  first  rule\n   1      2      3  never  at most 8 workers\n",
      stderr: expect.stringContaining("tasks: those that"),
    });
  });

  it("sends nothing that is no rule, and asks for the run", async () => {
    const before = server.calls.length;
    expect(await set("- be nice", "run_1")).toMatchObject({ status: 1, stdout: "" });
    expect(await set("- at most 8 workers")).toMatchObject({ status: 2 });
    expect(await check(file("- at most 8 workers"), "run_1")).toMatchObject({ status: 2 });
    expect(server.calls.length).toBe(before);
  });
});

describe("heddle rules show", () => {
  const bound = { from: "tenant", line: 3, rule: "budget 2,000 tokens" };
  const halved = { from: "run", line: 2, rule: "when tokens used > 80%: at most 2 workers" };
  const held = {
    rules: [
      { ...halved, on: true, fired: 1, changed_at: 1 },
      { ...halved, line: 7, on: false, fired: 0, changed_at: null },
      bound,
    ],
    workers: { max: 2, by: halved },
    limits: [{ limit: "tokens", max: 2000, by: bound }],
  };
  const server = new TestServer(({ path }) => ({
    status: 200,
    body: path.includes("run_1") ? held : { rules: [], workers: { max: 16, by: null }, limits: [] },
  }));
  beforeAll(() => server.start());
  afterAll(() => server.stop());
  const show = (...words: string[]) => heddleHere(["rules", "show", ...words], { HEDDLE_URL: server.url });

  it("lists what a run is held to, whose each rule is, and what binds it now", async () => {
    expect(await show("run_1")).toEqual({
      status: 0,
      stdout: `of      line  fired  now    rule
run        2      1  holds  when tokens used > 80%: at most 2 workers
run        7      0         when tokens used > 80%: at most 2 workers
tenant     3      -  holds  budget 2,000 tokens

  workers  2 at most, by line 2 of the run's rules: when tokens used > 80%: at most 2 workers
  tokens   2000, by line 3 of the tenant's rules: budget 2,000 tokens
`,
      stderr: "",
    });
    expect(server.calls.at(-1)).toMatchObject({ method: "GET", path: "/v1/runs/run_1/rules" });
    expect(JSON.parse((await show("run_1", "--json")).stdout)).toEqual(held);
    expect(await show("run_2")).toEqual({
      status: 0,
      stdout: "",
      stderr: "run_2 is held to no rules, only to its limits: heddle show run_2\n",
    });
  });

  it("asks for one run", async () => {
    for (const words of [[], ["run_1", "run_2"]])
      expect(await show(...words)).toMatchObject({ status: 2, stderr: expect.stringContaining('"show RUN"') });
  });
});

describe("heddle rules check", () => {
  it("prints what was understood", async () => {
    const path = file("# R\n- At most 8 workers.\n- at most 5k tasks, depth 4\n\n1. at most 9 workers\n");
    expect(await check(path)).toEqual({
      status: 0,
      stdout: "line  rule\n   2  at most 8 workers\n   3  at most 5,000 tasks\n   3  at most depth 4\n",
      stderr: `${path}:5: note: this is a comment, since it has no bullet: write "- at most 9 workers" if it is a rule\n`,
    });
    expect(JSON.parse((await check(path, "--json")).stdout)).toEqual({
      rules: [
        { line: 2, rule: "at most 8 workers" },
        { line: 3, rule: "at most 5,000 tasks" },
        { line: 3, rule: "at most depth 4" },
      ],
      notes: [{ line: 5, message: expect.stringContaining("this is a comment") }],
    });
    expect(await check(file("Nothing.\n"))).toMatchObject({ status: 0, stdout: expect.stringContaining("no rules") });
  });

  it("says of each line that is no rule what is wrong, and fails", async () => {
    const path = file("- at most 8 wrkers\n- at most 8 workers\n- be nice\u001b[2J\n");
    const { status, stdout, stderr } = await check(path);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/RULES\.md:1: after "at most 8" comes .* Did you mean: at most 8 workers$/),
      expect.stringMatching(/RULES\.md:3: a rule begins with /),
      "",
    ]);
    expect(stderr).not.toContain("\u001b");
    const json = await check(path, "--json");
    expect([json.status, JSON.parse(json.stdout)]).toEqual([
      1,
      {
        errors: [
          expect.objectContaining({ line: 1, suggestion: "at most 8 workers" }),
          expect.objectContaining({ line: 3 }),
        ],
      },
    ]);
  });

  it("tells a slip from rules that are wrong", async () => {
    expect(await check(join(folder, "none.md"))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no such file"),
    });
    expect(await heddleHere(["rules"])).toMatchObject({ status: 2, stderr: expect.stringContaining("check FILE") });
    expect(await heddleHere(["rules", "chekc", "x"])).toMatchObject({ status: 2 });
  });
});
