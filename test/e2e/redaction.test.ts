/** A redacted run: nothing that tells about it has its texts, and whoever does its work has them all. */

import { describe, expect, it } from "vitest";
import { type EventView, isPartial, type PartialText } from "../../src/client/index.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;

/** A word for each place where a text of the run's own can stand. */
const secrets = {
  context: "ZEBRA-CONTEXT",
  prompt: "ZEBRA-PROMPT",
  title: "ZEBRA-TITLE",
  label: "ZEBRA-LABEL",
  result: "ZEBRA-RESULT",
  argument: "ZEBRA-ARGUMENT",
  error: "ZEBRA-ERROR",
  reason: "ZEBRA-REASON",
  message: "ZEBRA-MESSAGE",
  value: "ZEBRA-VALUE",
};

type Watched = Record<"sse" | "websocket", (EventView | PartialText)[]>;
const partialOf = (seen: (EventView | PartialText)[]): string =>
  seen
    .filter(isPartial)
    .map(({ text }) => text)
    .join("");

/** A run with a secret in every text, as far as it ever goes; its watchers look on from its beginning. */
async function storyOf(redact: boolean) {
  const created = await heddle.createRun({
    redact,
    context: { messages: [{ role: "user", content: secrets.context }] },
    limits: { pools: ["box-redaction"] },
    tools: [
      {
        name: "ask_box",
        description: "asks",
        input_schema: { type: "object" },
        pool: "box-redaction",
        retries: { limit: 0 },
      },
    ],
  });
  const run = created.id;
  const watched: Watched = { sse: [], websocket: [] };
  const watching = (["sse", "websocket"] as const).map(async (transport) => {
    for await (const event of heddle.followEvents(run, { partial: true }, { transport }))
      watched[transport].push(event);
  });
  await heddle.createTasks(run, {
    tasks: [
      {
        key: "said",
        title: secrets.title,
        labels: { about: secrets.label },
        instructions: says(`${secrets.result} and so on.`, { stream_ms: 3000 }),
      },
      {
        key: "called",
        instructions: plays(
          [
            { calls: [{ tool: "ask_box", arguments: { question: secrets.argument } }] },
            { calls: [{ tool: "atomic", arguments: { name: "kept", op: "set", value: secrets.value } }] },
            {
              calls: [
                { tool: "inspect", arguments: { variable: "kept" } },
                { tool: "inspect", arguments: { task: "said" } },
              ],
            },
            { text: secrets.result },
          ],
          secrets.prompt,
        ),
        after: ["said"],
      },
      { key: "pulled", pool: "box-redaction", instructions: secrets.prompt },
      { key: "skipped", after: ["pulled"], instructions: secrets.prompt },
      { key: "left", pool: "nobody-redaction", instructions: secrets.prompt },
    ],
  });
  const [lease] = await heddle.lease("box-redaction", { worker: "w", max: 1, wait_ms: 5000 });
  expect(JSON.stringify(lease)).toContain(secrets.prompt);
  await heddle.fail(lease!.id, { error: { code: "broken", message: secrets.error }, retryable: false });
  await heddle.sendMessage(run, "left", { content: secrets.message });
  for (let call: { id: string } | undefined; !call; )
    [call] = await heddle
      .leaseToolCalls("box-redaction", { worker: "w", max: 1, wait_ms: 5000 })
      .then(async (calls) => {
        if (!calls[0]) return [];
        expect(JSON.stringify(calls[0])).toContain(secrets.argument);
        await heddle.completeToolCall(calls[0].id, { result: secrets.result });
        return calls;
      });
  await heddle.waitFor(run, { tasks: ["called"] });
  await heddle.cancelRun(run, { reason: secrets.reason });
  await Promise.all(watching);
  return { run, watched };
}

/** Everything that tells about a run, as text. */
async function tellingOf(run: string, watched: Watched): Promise<Record<string, string>> {
  const inspected = async (args: object) => JSON.stringify(await heddle.callTool(run, "inspect", { arguments: args }));
  const trace = async (format: "perfetto" | "otlp" | "csv") => (await heddle.trace(run, { format })).text();
  return {
    events: JSON.stringify(await heddle.events(run, { limit: 1000 })),
    sse: JSON.stringify(watched.sse),
    websocket: JSON.stringify(watched.websocket),
    "sse, partial texts": partialOf(watched.sse),
    "websocket, partial texts": partialOf(watched.websocket),
    perfetto: await trace("perfetto"),
    otlp: await trace("otlp"),
    csv: await trace("csv"),
    findings: JSON.stringify(await heddle.findings(run)),
    critical_path: JSON.stringify(await heddle.criticalPath(run)),
    "inspect, a run": await inspected({}),
    "inspect, tasks": (
      await Promise.all(["said", "called", "pulled", "skipped", "left"].map((task) => inspected({ task })))
    ).join(),
    "inspect, a variable": await inspected({ variable: "kept" }),
  };
}

const told = (text: string): string[] => Object.values(secrets).filter((secret) => text.includes(secret));

describe("[RD1] redact", () => {
  it("no secret of prompts, results, arguments, titles, labels, errors or messages is in anything that tells about the run", async () => {
    const { run, watched } = await storyOf(true);
    const telling = await tellingOf(run, watched);
    for (const [where, text] of Object.entries(telling)) expect([where, told(text)]).toEqual([where, []]);
    const { events } = JSON.parse(telling.events!) as { events: EventView[] };
    expect(watched.sse).toEqual(events);
    expect(watched.websocket).toEqual(events);
    // Still there: names, codes, numbers, and that there was a text.
    expect(events.find(({ key }) => key === "said")).toMatchObject({ labels: { about: "[redacted]" } });
    expect(events.find(({ error }) => error)).toMatchObject({ error: { code: "broken", message: "[redacted]" } });
    expect(events.at(-1)).toMatchObject({ type: "run_ended", status: "cancelled", reason: "[redacted]" });

    // [RD3] What does the work has it all.
    expect(await heddle.task(run, "said")).toMatchObject({
      title: secrets.title,
      result: `${secrets.result} and so on.`,
    });
    expect((await heddle.task(run, "pulled")).error?.message).toBe(secrets.error);
    const transcript = await heddle.taskContextText(run, "called");
    expect(told(transcript).sort()).toEqual(
      [
        secrets.context,
        secrets.prompt,
        secrets.argument,
        secrets.result,
        secrets.value,
        secrets.title,
        secrets.label,
      ].sort(),
    );
    // Not lost, and not let out by the way through a file, or by a run that begins with its context.
    const lines: string[] = [];
    for await (const line of heddle.exportRun(run)) lines.push(line);
    expect(told(lines.join()).length).toBe(Object.keys(secrets).length);
    const imported = await heddle.importRun(lines);
    expect(imported.redact).toBe(true);
    expect(told(JSON.stringify(await heddle.events(imported.id, { limit: 1000 })))).toEqual([]);
    expect((await heddle.createRun({ from: { run } })).redact).toBe(true);
    expect((await heddle.createRun({ from: { run }, redact: false })).redact).toBe(false);
  });

  it("without it they do tell: so the test above can fail", async () => {
    const { run, watched } = await storyOf(false);
    const telling = await tellingOf(run, watched);
    const events = [secrets.title, secrets.label, secrets.error, secrets.reason];
    for (const [where, least] of [
      ["events", events],
      ["sse", events],
      ["websocket", events],
      ["sse, partial texts", [secrets.result]],
      ["websocket, partial texts", [secrets.result]],
      ["perfetto", [secrets.title, secrets.label, secrets.error]],
      ["otlp", [secrets.title, secrets.label, secrets.error]],
      ["csv", [secrets.title]],
      ["inspect, tasks", [secrets.title, secrets.label, secrets.error, secrets.result]],
      ["inspect, a variable", [secrets.value]],
    ] as const)
      expect([where, told(telling[where]!)]).toEqual([where, expect.arrayContaining([...least])]);
  });
});
