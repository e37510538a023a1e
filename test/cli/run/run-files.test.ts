/** Run files: JSON, YAML and Markdown say the same, and what is wrong is named by file, line and what to write instead. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type JobFormat, readJob } from "../../../src/cli/run/job-file.ts";
import { withLine } from "../../../src/cli/run/places.ts";
import { taskSpecSchema } from "../../../src/contract/task-spec.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const examples = join(import.meta.dirname, "../../../examples");

const read = (text: string, name = "job.md", format?: JobFormat) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return readJob(path, format);
};
const refusal = async (text: string, name?: string): Promise<string> => {
  try {
    await read(text, name);
  } catch (error) {
    return (error as Error).message.replace(`${folder}/`, "");
  }
  throw new Error("it was taken");
};

describe("the examples", () => {
  it("say the same in YAML as in JSON", async () => {
    const [json, yaml] = [
      await readJob(join(examples, "kettles.json"), undefined),
      await readJob(join(examples, "kettles.yaml"), undefined),
    ];
    expect(yaml.run).toEqual(json.run);
    expect(
      yaml.tasks.map(({ max_turns: _, ...task }) => ({ ...task, instructions: task.instructions.trim() })),
    ).toEqual(json.tasks);
    expect(yaml.tasks.every((task) => task.max_turns === 5)).toBe(true);
  });

  it("have the same tasks in Markdown, with their sim blocks to the letter", async () => {
    const json = await readJob(join(examples, "kettles.json"), undefined);
    const markdown = await readJob(join(examples, "kettles.md"), undefined);
    expect(markdown.tasks.map(({ key, after }) => ({ key, after }))).toEqual(
      json.tasks.map(({ key, after }) => ({ key, after })),
    );
    for (const [i, { instructions }] of json.tasks.entries()) {
      const [sim] = /```sim[\s\S]*```/.exec(instructions)!;
      expect(markdown.tasks[i]!.instructions).toContain(sim);
    }
    const text = readFileSync(join(examples, "kettles.md"), "utf8").split("\n");
    expect(markdown.tasks.map((_, i) => text[markdown.lineOf(["tasks", i])! - 1])).toEqual([
      "## largest: Which kettle is the largest?",
      "## slogan",
      "## advert: An advert for the largest one",
    ]);
  });
});

describe("a run in Markdown", () => {
  it("has its front matter, its first text as a message of the context, and a task a section", async () => {
    const { run, tasks } = await read(
      [
        "---",
        "limits: {workers: 4}",
        "context: {format: openai, messages: [{role: user, content: first}]}",
        "defaults: {pool: shell, priority: 2}",
        "---",
        "# Kettles",
        "",
        "What all know.",
        "",
        "## alp: The Alp",
        "- priority: 7",
        "- after: bay, cob",
        "- labels:",
        "    of: kettles",
        "",
        "Look at it.",
        "",
        "### Not a task",
        "- and no setting: either",
        "",
        "## Bay, the second one! ##",
        "",
        "~~~yaml",
        "after: [cob]",
        "output_schema:",
        "  type: object",
        "~~~",
        "Measure it.",
        "## cob",
        "- Read this list.",
        "- It has no settings: none.",
        "## 茶壶",
        "Tea.",
      ].join("\r\n"),
    );
    expect(run).toEqual({
      name: "Kettles",
      limits: { workers: 4 },
      context: {
        format: "openai",
        messages: [
          { role: "user", content: "first" },
          { role: "user", content: "# Kettles\n\nWhat all know." },
        ],
      },
    });
    const pool = "shell";
    expect(tasks).toEqual([
      {
        ...{ key: "alp", title: "The Alp", pool, priority: 7, after: ["bay", "cob"], labels: { of: "kettles" } },
        instructions: "Look at it.\n\n### Not a task\n- and no setting: either",
      },
      {
        ...{ key: "bay-the-second-one", title: "Bay, the second one!", pool, priority: 2, after: ["cob"] },
        output_schema: { type: "object" },
        instructions: "Measure it.",
      },
      { key: "cob", pool, priority: 2, instructions: "- Read this list.\n- It has no settings: none." },
      { key: "task-4", title: "茶壶", pool, priority: 2, instructions: "Tea." },
    ]);
    for (const task of tasks) expect(taskSpecSchema.safeParse(task).error).toBeUndefined();
  });

  it("takes headings, bullets and front matter inside fenced blocks for text", async () => {
    const sim = '````sim\n{"turns": []}\n## no heading\n```\n- priority: 1\n````';
    const { tasks } = await read(`## a\nDo.\n${sim}\nEnd.\n## b\n\n    ## code\n`);
    expect(tasks).toEqual([
      { key: "a", instructions: `Do.\n${sim}\nEnd.` },
      { key: "b", instructions: "    ## code" },
    ]);
  });

  it("takes as settings all that a task may have beside its text", async () => {
    const inText = ["key", "title", "instructions"];
    for (const field of Object.keys(taskSpecSchema.shape).filter((name) => !inText.includes(name))) {
      const { tasks } = await read(`## a\n- ${field}: 1\n\nDo.\n`);
      expect(Object.keys(tasks[0]!).toSorted()).toEqual(["instructions", "key", field].toSorted());
    }
  });

  it("may be a root alone", async () => {
    const { run, tasks } = await read("---\nroot: {instructions: lead}\n---\nHello.");
    expect({ run, tasks }).toEqual({
      run: { root: { instructions: "lead" }, context: { messages: [{ role: "user", content: "Hello." }] } },
      tasks: [],
    });
  });

  it.each([
    [
      "---\nname: x\n## a\nb",
      /^job\.md, line 1: the front matter that begins here is never closed; end it with a line ---\./,
    ],
    ["---\nname: [a\n---\n## a\nb", /^job\.md, line 2: this is not YAML/],
    ["---\n- a\n---\n## a\nb", /^job\.md, line 2: the front matter has fields, as in "name: my job"\./],
    ["---\nname: x\ntasks: []\n---\n## a\nb", /^job\.md, line 3: tasks are sections here: "## key: Title"/],
    ["---\ncontext: text\n---\n## a\nb", /^job\.md, line 2: context has fields: format, model/],
    ["---\nnmae: x\n---\n## a\nb", /^job\.md: unknown field "nmae"; expected name/],
    ["Only text.", /^job\.md: there is nothing to do: each task is a section, "## key: Title"\./],
    ["## a\n", /^job\.md, line 1: the task "a" has no instructions; write them below its heading\./],
    ["##\nx", /^job\.md, line 1: this section has no heading; write one: ## key: Title/],
    ["## a\nx\n\n## a: Again\ny", /^job\.md, line 4: the task of line 1 has the key "a" already/],
    ["## a\n\n```js\nx", /^job\.md, line 3: the block that begins here is never closed; end it with a line ```\./],
    ["## a\n- priorty: 3\n\nx", /^job\.md, line 2: there is no setting "priorty"; did you mean "priority"\?/],
    [
      "## a\n\npool: shell\npriority: 3\n\nx",
      /^job\.md, line 3: settings are a list, "- pool: …"\. If it belongs to the instructions, put a line of text above it\./,
    ],
    ["## a\n- priority: 3\n- speed: 9\n\nx", /^job\.md, line 3: unknown setting "speed"; a task has after, context/],
    ["## a\n- priority: 3\n- or so\n\nx", /^job\.md, line 3: expected a setting, as in "- after: other-task"\./],
    ["## a\n- key: b\n\nx", /^job\.md, line 2: a task's key stands in its heading/],
    ["## a\n- priority: {\n\nx", /^job\.md, line \d: this is not YAML/],
    ["## a\n```yaml\nafter: [b]\ntitel: c\n```\nx", /^job\.md, line 4: unknown setting "titel"/],
    ["## a\n```yaml\n- after\n```\nx", /^job\.md, line 3: expected settings, one a line/],
  ])("%j is refused with its line", async (text, message) => expect(await refusal(text)).toMatch(message));
});

describe("a run in YAML", () => {
  it.each([
    ["name: x\ntasks: [", /^job\.yaml, line 2: this is not YAML/],
    ["name: x\nname: y\ntasks: []", /^job\.yaml, line 2: this is not YAML that can be read: Map keys must be unique/],
    ["a: &a [1]\n---\nb: 1", /^job\.yaml, line 2: .*multiple documents/],
    ["tasks: !job []", /^job\.yaml, line 1: .*tag/],
    ["- a", /^job\.yaml: expected an object/],
    ["", /^job\.yaml: there is nothing to do/],
    ["tasks: [{instructions: a}]\ndefaults: 3", /^job\.yaml: "defaults" must be an object/],
    [
      "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\ntasks: [*c, *c, *c]",
      /^job\.yaml, line 1: .*[Ee]xcessive alias/,
    ],
  ])("%j is refused", async (text, message) => expect(await refusal(text, "job.yaml")).toMatch(message));

  it("knows its format when it is told", async () => {
    const { tasks } = await read("tasks:\n  - instructions: a\n", "job.txt", "yaml");
    expect(tasks).toEqual([{ instructions: "a" }]);
  });
});

describe("what the server says of a field has its line", () => {
  const paths = [
    "limits.workrs",
    "tasks[1].priority",
    'tasks[1].labels["a b"]',
    "tasks[0].pool",
    "tasks[0].key",
    "root",
  ];
  const said = async (text: string, name: string) => {
    const { lineOf } = await read(text, name);
    return paths.map((path) => withLine(path, lineOf).slice(path.length));
  };

  it("in YAML that of the field, or of what it is missing in", async () => {
    const text =
      "limits:\n  workrs: 1\ndefaults:\n  pool: 3\ntasks:\n  - instructions: a\n\n  # b\n  - instructions: b\n    labels:\n      a b: 1\n    priority: 12\n";
    expect(await said(text, "job.yaml")).toEqual([2, 12, 11, 4, 6].map((line) => ` (line ${line})`).concat(""));
  });

  it("in JSON too", async () => {
    const text =
      '{"limits": {\n"workrs": 1},\n"tasks": [\n{"instructions": "a"},\n{"instructions": "b",\n"labels": {"a b": 1},\n"priority": 12}],\n"defaults": {\n"pool": 3}}';
    expect(await said(text, "job.json")).toEqual([2, 7, 6, 9, 4].map((line) => ` (line ${line})`).concat(""));
  });

  it("in Markdown that of the task's heading, and of the field in front matter", async () => {
    const text =
      "---\nlimits:\n  workrs: 1\ndefaults: {pool: 3}\n---\n## a\n\nA.\n\n## b\n\n- priority: 12\n- labels: {a b: 1}\n\nB.\n";
    expect(await said(text, "job.md")).toEqual([3, 10, 10, 4, 6].map((line) => ` (line ${line})`).concat(""));
  });
});
