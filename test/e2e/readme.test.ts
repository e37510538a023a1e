/** What README and the guide tell people to type works, as it stands there. */

import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/lib/ports.mjs";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { run } from "./lib/typed.ts";

const server = sharedServer();

const bin = join(projectRoot, "node_modules/.bin");
/** `npx` starts what the project has as it would be found there, seven times as slowly: the blocks have this in its place, one test has npx itself. */
const quick = mkdtempSync(join(tmpdir(), "heddle-npx-"));
const main = join(projectRoot, JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")).bin.heddle);
writeFileSync(
  join(quick, "npx"),
  `#!/bin/sh
name=$1; shift
case $name in
  heddle) exec '${main}' "$@" ;;
  *) exec '${bin}'/"$name" "$@" ;;
esac
`,
  { mode: 0o755 },
);
const path = [quick, bin, process.env.PATH].join(delimiter);
afterAll(() => rmSync(quick, { recursive: true }));

/** The shell blocks under the headings that `wanted` names, in order. */
function shellBlocks(file: string, wanted: (heading: string) => boolean): string[] {
  const blocks: string[] = [];
  let heading = "";
  let block: string[] | undefined;
  for (const line of readFileSync(join(projectRoot, file), "utf8").split("\n")) {
    if (block && line === "```") {
      if (wanted(heading)) blocks.push(block.join("\n"));
      block = undefined;
    } else if (block) block.push(line);
    else if (line === "```sh") block = [];
    else if (/^#+ /.test(line)) heading = line.replace(/^#+ /, "");
  }
  return blocks;
}

/** A key to all of a new tenant: pages name their pools alike, and run beside each other. */
async function newKey(): Promise<string> {
  const operator = "hdl_local_admin";
  const { id } = (await server.call("POST", "/admin/tenants", { name: "page" }, operator)).json;
  const scopes = ["runs", "workers", "tenant_admin"];
  return (await server.call("POST", `/admin/tenants/${id}/keys`, { scopes }, operator)).json.key;
}

/** All blocks in one shell, against the tests' server; every line must succeed. */
async function runBlocks(blocks: string[]): Promise<string> {
  const key = await newKey();
  const script = blocks
    .join("\n")
    .replaceAll("http://127.0.0.1:8787", server.url)
    .replaceAll(/\bhdl_local\b/g, key);
  const env = { PATH: path, HEDDLE_API_KEY: key };
  const { status, output } = await run("bash", ["-euo", "pipefail", "-s"], env, script);
  expect({ status, output }).toMatchObject({ status: 0 });
  return output;
}

describe.concurrent("README", () => {
  it("begins with two lines, and these are what the package runs", () => {
    const [demo, test] = shellBlocks("README.md", (heading) => heading === "Try it");
    expect([demo, test]).toEqual(["npm ci && npm run demo", "npm ci && npm test"]);
  });

  it("has a quick start that works", async () => {
    const blocks = shellBlocks("README.md", (heading) => heading === "Quick start");
    expect(blocks[0]).toBe("npm run dev");
    const output = await runBlocks(blocks.slice(1));
    expect(output).toMatch(/^run_[0-9a-z]{20}$/m);
    expect(output).toContain('"result":"Alp, 1.7 litres. Hot water, no waiting."');
    expect(output).toContain("We sell three kettles");
    expect(output).toContain('<result of=\\"largest.litres\\">1.7</result>');
    expect(output).toContain('"status":"succeeded"');
  });

  it("has a command line that works", async () => {
    const output = await runBlocks(shellBlocks("README.md", (heading) => heading === "The command line"));
    expect(output).toMatch(/^3 succeeded$/m);
    expect(output).toMatch(/^T3-\S+ {2}advert .* Alp, 1\.7 litres\. Hot water, no waiting\.$/m);
    expect(output).toMatch(/ task_ended +An advert for the largest one \(T3-\S+\) {2}state succeeded$/m);
    expect(output).toMatch(/^── assistant\nAlp, 1\.7 litres/m);
  });

  it("has agent loops that work, on three SDKs and both of OpenAI's APIs, and one that carries out its own forks", async () => {
    const output = await runBlocks(shellBlocks("README.md", (heading) => heading === "In your own agent loop"));
    expect(output.match(/→ create_task/g)).toHaveLength(8);
    expect(output.match(/Rome is warmer and cheaper: Rome: 16 °C, 120 € a day. Oslo: 4 °C/g)).toHaveLength(5);
    expect(output.match(/^(rome|oslo): (Rome|Oslo): \d+ °C/gm)).toHaveLength(2);
  });

  it("has a worker of one's own that works", async () => {
    const output = await runBlocks(shellBlocks("README.md", (heading) => heading === "Your own machines as workers"));
    expect(output).toMatch(/files/);
  });

  it("has tools for a folder that it prints", async () => {
    const output = await runBlocks(
      shellBlocks("README.md", (heading) => heading === "Files and commands for hosted agents"),
    );
    expect(JSON.parse(output)[0]).toMatchObject({ name: "read_file", pool: "files" });
  });

  it("names a command for a run from a file, which npx finds, and the Node for the examples too", async () => {
    const [, command] = /`npx (heddle run [^`]*)`/.exec(readFileSync(join(projectRoot, "README.md"), "utf8"))!;
    const { status, output } = await run("npx", command!.split(" "));
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(await run("npx", ["node", "--version"])).toEqual(await run(join(bin, "node"), ["--version"]));
  });
});

describe.concurrent("the tutorial", () => {
  it("has pages that are programs, which print what they say", async () => {
    const pages = globSync("docs/tutorial/*.md", { cwd: projectRoot });
    expect(pages.length).toBeGreaterThanOrEqual(3);
    const ran = pages.map(async (page) => {
      const text = readFileSync(join(projectRoot, page), "utf8");
      const blocks = (language: string) =>
        [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))]
          .map(([, block]) => block)
          .join("");
      // Inside the project, where "heddle/client" is the package.
      const file = join(projectRoot, `dist/${page.replace(/\W+/g, "-")}.ts`);
      writeFileSync(file, blocks("ts"));
      const ran = await run(process.execPath, [file]);
      rmSync(file);
      expect(ran).toEqual({ status: 0, output: blocks("text") });
    });
    await Promise.all(ran);
  });
});

describe.concurrent("the page on the client", () => {
  it("names a program that reviews a folder, in which a file can't be read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-review-"));
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "a.ts"), `const a = "${"x".repeat(200)}";\n`);
    writeFileSync(join(folder, "sub/b.ts"), "const b = 1;\n");
    symlinkSync("/nowhere.ts", join(folder, "sub/gone.ts"));
    const [, example] = /\((?:\.\.\/)(examples\/code-review\.ts)\)/.exec(
      readFileSync(join(projectRoot, "docs/sdk.md"), "utf8"),
    )!;
    const { status, output } = await run(process.execPath, [example!, folder]);
    rmSync(folder, { recursive: true });
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(output).toMatch(
      /^\.: 1 files, 2 lines\n {2}a\.ts:1 is 213 wide\nsub: 2 files, 2 lines\n {2}could not be reviewed: ENOENT/,
    );
  });
});

describe.concurrent("the guide to the API", () => {
  it("has commands that work in order, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/http-api.md", () => true));
    expect(output).not.toMatch(/"status":\s*5\d\d/);
  });
});

describe.concurrent("the page on costs", () => {
  it("has commands that work in order, in one shell, and show what it says", async () => {
    const output = await runBlocks(shellBlocks("docs/costs.md", () => true));
    expect(output).toMatch(/"cost":0\.\d+,"simulated":true/);
    expect(output).toContain('fork \\"auto\\" took full');
    expect(output).toMatch(/"cache":\{"read":[1-9]\d{4}/);
    expect(output).toMatch(/"usd":5$/m);
  });
});

describe.concurrent("the page on going back", () => {
  it("has commands that work in order, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/resume.md", () => true));
    expect(output).toMatch(/"turn":1,"generation":1,.*"name":"inspect".*"turn":2,"generation":1,/);
    expect(output).toContain('"generation":2');
    expect(output).toContain('"name":"another plan"');
    expect(output).not.toContain('"code":');
  });
});

describe.concurrent("the page on questions", () => {
  it("has a task that asks, and is answered, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/questions.md", () => true));
    expect(output).toContain('"ask":"Deploy version 7 to production?"');
    expect(output).toMatch(/"action":"answer","open":false/);
    expect(output).toMatch(/told: yes$/m);
  });
});

describe.concurrent("the guide to remote tools", () => {
  it("has commands that work in order, in one shell, an endpoint of its own among them", async () => {
    const port = String(await freePort());
    const blocks = shellBlocks("docs/remote-tools.md", () => true);
    const output = await runBlocks(blocks.map((block) => block.replaceAll("4000", port)));
    expect(output).toContain('"result":"It is called heddle."');
    expect(output).toContain('"message":"opening"');
    expect(output).toContain('"result":"4 words"');
  });
});

describe.concurrent("the guide to webhooks", () => {
  it("has a receiver that is told of a run, in one shell", async () => {
    const port = String(await freePort());
    const blocks = shellBlocks("docs/webhooks.md", () => true);
    const output = await runBlocks(blocks.map((block) => block.replaceAll("4001", port)));
    expect(output).toMatch(/^task\.succeeded root Good morning\.$/m);
    expect(output).toMatch(/^run\.succeeded$/m);
    expect(output).toMatch(/^msg_\S+ +run\.succeeded +delivered +1 /m);
  });
});

describe.concurrent("the guides to the workers", () => {
  it("have commands that work in order, in one shell: work", async () => {
    const work = await runBlocks(shellBlocks("docs/commands/work.md", () => true));
    expect(work).toMatch(/files succeeded in /);
    expect(work).toContain('"pool":"shell"');
  });

  it("have commands that work in order, in one shell: tools", async () => {
    const tools = await runBlocks(shellBlocks("docs/commands/tools.md", () => true));
    expect(tools.match(/result .*4 words/g)).toHaveLength(2);
    expect(tools).toMatch(/result .*Corrected answer\.js\./);
    expect(tools).toContain("export const answer = 42;");
    expect(tools).toMatch(/result .*It says export const answer = 42;/);
  });
});
