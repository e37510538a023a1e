/** What README and the guide tell people to type works, as it stands there; the demo does its work and says so. */

import { spawn } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort } from "../../scripts/lib/ports.mjs";
import { until } from "./lib/log.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();

interface Ran {
  status: number | null;
  output: string;
}

/** A command that runs. With `apart` it leads a process group of its own, as one typed in a terminal does. */
function started(command: string, args: string[], env: Record<string, string> = {}, apart = false) {
  const child = spawn(command, args, {
    cwd: projectRoot,
    env: {
      ...process.env,
      HEDDLE_URL: server.url,
      HEDDLE_API_KEY: "hdl_local",
      ANTHROPIC_API_KEY: "",
      OPENAI_API_KEY: "",
      ...env,
    },
    detached: apart,
  });
  const running = {
    child,
    output: "",
    ended: new Promise<number | null>((resolve) => child.once("close", (status) => resolve(status))),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      running.output += text;
    });
  }
  return running;
}

async function run(command: string, args: string[], env: Record<string, string> = {}, input = ""): Promise<Ran> {
  const running = started(command, args, env);
  running.child.stdin.end(input);
  const status = await running.ended;
  return { status, output: running.output };
}

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

/** All blocks in one shell, against the tests' server; every line must succeed. */
async function runBlocks(blocks: string[]): Promise<string> {
  const script = blocks.join("\n").replaceAll("http://127.0.0.1:8787", server.url);
  const { status, output } = await run("bash", ["-euo", "pipefail", "-s"], {}, script);
  expect({ status, output }).toMatchObject({ status: 0 });
  return output;
}

describe("README", () => {
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

  it("names a command for a run from a file", async () => {
    const [, command] = /`npx (heddle run [^`]*)`/.exec(readFileSync(join(projectRoot, "README.md"), "utf8"))!;
    const { status, output } = await run("npx", command!.split(" "));
    expect({ status, output }).toMatchObject({ status: 0 });
  });
});

describe("the tutorial", () => {
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

describe("the page on the client", () => {
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

describe("the guide to the API", () => {
  it("has commands that work in order, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/http-api.md", () => true));
    expect(output).not.toMatch(/"status":\s*5\d\d/);
  });
});

describe("the page on costs", () => {
  it("has commands that work in order, in one shell, and show what it says", async () => {
    const output = await runBlocks(shellBlocks("docs/costs.md", () => true));
    expect(output).toMatch(/"cost":0\.\d+,"simulated":true/);
    expect(output).toContain('fork \\"auto\\" took full');
    expect(output).toMatch(/"cache":\{"read":[1-9]\d{4}/);
    expect(output).toMatch(/"usd":5$/m);
  });
});

describe("the page on going back", () => {
  it("has commands that work in order, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/resume.md", () => true));
    expect(output).toMatch(/"turn":1,"generation":1,.*"name":"inspect".*"turn":2,"generation":1,/);
    expect(output).toContain('"generation":2');
    expect(output).toContain('"name":"another plan"');
    expect(output).not.toContain('"code":');
  });
});

describe("the page on questions", () => {
  it("has a task that asks, and is answered, in one shell", async () => {
    const output = await runBlocks(shellBlocks("docs/questions.md", () => true));
    expect(output).toContain('"ask":"Deploy version 7 to production?"');
    expect(output).toMatch(/"action":"answer","open":false/);
    expect(output).toMatch(/told: yes$/m);
  });
});

describe("the guide to remote tools", () => {
  it("has commands that work in order, in one shell, an endpoint of its own among them", async () => {
    const port = String(await freePort());
    const blocks = shellBlocks("docs/remote-tools.md", () => true);
    const output = await runBlocks(blocks.map((block) => block.replaceAll("4000", port)));
    expect(output).toContain('"result":"It is called heddle."');
    expect(output).toContain('"message":"opening"');
    expect(output).toContain('"result":"4 words"');
  });
});

describe("the guide to webhooks", () => {
  it("has a receiver that is told of a run, in one shell", async () => {
    const port = String(await freePort());
    const blocks = shellBlocks("docs/webhooks.md", () => true);
    const output = await runBlocks(blocks.map((block) => block.replaceAll("4001", port)));
    expect(output).toMatch(/^task\.succeeded root Good morning\.$/m);
    expect(output).toMatch(/^run\.succeeded$/m);
    expect(output).toMatch(/^msg_\S+ +run\.succeeded +delivered +1 /m);
  });
});

describe("the guides to the workers", () => {
  it("have commands that work in order, in one shell", async () => {
    const work = await runBlocks(shellBlocks("docs/commands/work.md", () => true));
    expect(work).toMatch(/files succeeded in /);
    expect(work).toContain('"pool":"shell"');
    const tools = await runBlocks(shellBlocks("docs/commands/tools.md", () => true));
    expect(tools.match(/result .*4 words/g)).toHaveLength(2);
    expect(tools).toMatch(/result .*Corrected answer\.js\./);
    expect(tools).toContain("export const answer = 42;");
    expect(tools).toMatch(/result .*It says export const answer = 42;/);
  });
});

describe("npm run demo", () => {
  it.each([
    ["nonsense", "", 'HEDDLE_URL is "nonsense", which is not an address.'],
    ["http://127.0.0.1:1", "", "http://127.0.0.1:1 can't be reached"],
    [undefined, "hdl_of_nobody", "(unauthorized)"],
  ])("with the server %s and the key %s says what is wrong, without a stack", async (url, key, said) => {
    const env = { HEDDLE_URL: url ?? server.url, HEDDLE_API_KEY: key };
    const { status, output } = await run("npm", ["run", "demo"], env);
    expect(status).toBe(1);
    expect(output).toContain(said);
    expect(output).not.toMatch(/^ +at /m);
  });

  it("forks a task per file and folder of this repository, and writes a report of them", async () => {
    const report = join(projectRoot, "heddle-report.md");
    rmSync(report, { force: true });
    // On a server of its own, as README has it.
    const { status, output } = await run("npm", ["run", "demo"], { HEDDLE_URL: "", HEDDLE_API_KEY: "" });
    expect({ status, output: output.slice(-2000) }).toMatchObject({ status: 0 });
    expect(existsSync(report)).toBe(true);
    const text = readFileSync(report, "utf8");
    // It has read the files, and says by whom its prose was written.
    expect(text.includes("`src/limits.ts`") && text.includes("(simulated model)")).toBe(true);
    const { tasks, attempts } = /^\| tasks \| (?<tasks>\d+):.*^\| attempts \| (?<attempts>\d+) \|$/ms.exec(text)!
      .groups!;
    const { files, planned } = announced(output, projectRoot)!;
    expect(files).toBeGreaterThan(1000);
    expect(planned).toBeGreaterThan(files);
    expect(Number(tasks)).toBe(planned);
    expect(Number(attempts)).toBeGreaterThanOrEqual(planned);
    expect(text.length).toBeGreaterThan(5000);
  });

  it("cancels its run at Ctrl-C", async () => {
    const demo = started("npm", ["run", "demo"], {}, true);
    try {
      const { planned } = await until("the plan", 60_000, async () => announced(demo.output, projectRoot));
      const mine = await until("all its tasks", 60_000, async () => {
        const { json } = await server.call("GET", "/v1/runs?limit=1000");
        const listed = json.runs as { id: string; name?: string }[];
        const id = listed.find(({ name }) => name === `demo: ${basename(projectRoot)}`)?.id;
        if (id === undefined) return undefined;
        const { counts } = await server.heddle.run(id);
        return Object.values(counts).reduce((sum, count) => sum + count, 0) === planned && id;
      });
      process.kill(-demo.child.pid!, "SIGINT");
      await demo.ended;
      expect(demo.output).toContain("Interrupted: stopping what was started…");
      expect((await server.heddle.run(mine)).status).toBe("cancelled");
    } finally {
      if (demo.child.exitCode === null && demo.child.signalCode === null) process.kill(-demo.child.pid!, "SIGTERM");
    }
  });
});

/** What the demo says of its plan for `root` once it has one. */
function announced(output: string, root: string): { files: number; planned: number } | undefined {
  const [, said = ""] = output.split(`${root}: `);
  const [, files, planned] = /^(\d+) source files in \d+ folders\. (\d+) tasks,/.exec(said) ?? [];
  return files === undefined ? undefined : { files: Number(files), planned: Number(planned) };
}
