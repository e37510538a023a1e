/** docs/faults.md, made of the table of faults: `npm run docs:faults` writes it, and a test says when it is out of date. */

import {
  backoffMsDefault,
  backoffMsMax,
  faultMessageCharsMax,
  longBackoffMs,
  retriesDefault,
  retryAfterMsMax,
} from "../limits.ts";
import { unreachable } from "./assert.ts";
import { problems, toolHints } from "./codes.ts";
import { type FaultClass, type FaultPlace, faults, type Retry, ruleOf } from "./faults.ts";

const places: Readonly<Record<FaultPlace, string>> = {
  provider: "The model's provider",
  reply: "What the model replied",
  task: "The task and its run",
  worker: "Whoever runs the task",
  tool: "Remote tools",
  wait: "Waits",
  platform: "The platform",
};

const seconds = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);
const minutes = (ms: number): string => `${ms / 60_000} minutes`;

/** The page, to its last line's end. */
export function faultsPage(): string {
  const sections = (Object.keys(places) as FaultPlace[]).map((place) => {
    const rows = (Object.keys(faults) as FaultClass[]).filter((fault) => faults[fault].at === place);
    return [
      `## ${places[place]}`,
      "",
      "| class | what happened, and how it is known | retried | its task, and what depends on it | what the agent is told | what an operator sees |",
      "| --- | --- | --- | --- | --- | --- |",
      ...rows.map(row),
      "",
    ].join("\n");
  });
  return `${intro}\n${sections.join("\n")}`;
}

function row(fault: FaultClass): string {
  const { what, known, retry } = ruleOf(fault);
  const cells = [`\`${fault}\``, `${what} ${known}`, retried(retry), ends(fault), told(fault), seen(fault)];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function retried(retry: Retry): string {
  switch (retry.kind) {
    case "never":
      return "no";
    case "attempt":
      return retry.patience === 1 ? "*attempt*" : `*attempt*, patience × ${retry.patience}`;
    case "if_said":
      return "*attempt*, if it says `retryable`";
    case "resume":
      return retry.inARow === undefined ? "*resume*" : `*resume*, until ${retry.inARow} in a row`;
    case "turn":
      return retry.times === undefined ? "*turn*" : `*turn*, ${retry.times} times`;
    case "shorten":
      return "*shorter*, if the task has `on_context_too_long`";
    case "budget":
      return "*budget*";
    case "call":
      return `*call*, ${retry.tries} times in all, ${seconds(retry.waitMs)} later and that much longer each time`;
    case "later":
      return `*later*: after ${seconds(retry.afterMs)}`;
    default:
      return unreachable(retry);
  }
}

function ends(fault: FaultClass): string {
  const { at, ends: state, ownCode, retry } = ruleOf(fault);
  if (retry.kind === "budget" && state !== undefined)
    return `goes on; they wait on. By a rule \`${state}\`; *as its end*`;
  if (state !== undefined) return `\`${state}\`${ownCode ? ", with the code that was given" : ""}; *as its end*`;
  return at === "platform" ? "not touched" : "goes on; they wait on";
}

function told(fault: FaultClass): string {
  const { at, tool, ends: state, retry, ownCode } = ruleOf(fault);
  if (tool !== undefined) return `\`${tool}\`${ownCode ? ", with the code as `cause`" : ""}: ${toolHints[tool]}`;
  if (at === "platform") return "nothing";
  if (state !== undefined && retry.kind === "never") return "nothing: its work is over";
  return "nothing: it goes on from its last logged turn";
}

function seen(fault: FaultClass): string {
  const { event, finding, mend, pauses, problem, log } = ruleOf(fault);
  const parts = [
    event && `event \`${event}\``,
    pauses && `the run is paused with \`reason: ${pauses}\``,
    finding && `finding \`${finding}\`${mend === undefined ? "" : `: ${mend}`}`,
    problem && `problem \`${problem}\` (${problems[problem].status})`,
    log && `\`${log}\` in the worker's log`,
  ];
  return parts.filter((part) => part !== undefined).join("; ") || "the answer of whoever called";
}

const intro = `# Faults

Whatever goes wrong with a task, a call or the platform under them is one of these classes, and each class has one rule. This page
is made of the table that the code reads (\`src/errors/faults.ts\`, by \`npm run docs:faults\`). The class is the \`code\` of the
task's \`error\`, unless whoever failed gave a code of its own; \`message\` has what the other side said, cut to ${faultMessageCharsMax}
characters and without credentials. Problems of requests, which never touch a task, are in [http-api.md](http-api.md).

How a fault is retried:

- ***attempt***: a new attempt goes on from the last logged turn, after a backoff: \`retries.backoff_ms\` (${seconds(backoffMsDefault)}), doubled for each failure
  before, up to ${minutes(backoffMsMax)}, spread by ±20 %. If the other side says when to come again (\`retry-after\` in seconds or as a date, \`retry-after-ms\`),
  not before, up to ${minutes(retryAfterMsMax)}; where it does not say, those with *patience* wait so many times longer. Each uses up one of
  \`retries.limit\` (${retriesDefault}); when none is left the task ends (\`task_ended\`). A task that holds a lock or permits through more than ${seconds(longBackoffMs)} is the finding \`holder_backing_off\`.
- ***resume***: another worker goes on from the last logged turn at once. Uses up nothing; a new turn begins the count anew.
- ***turn***: the model is told, and decides itself with its next turn.
- ***shorter***: the task goes on with its newest turns.
- ***budget***: tasks wait, and when nothing is outstanding the run is paused; \`POST …/budget\` resumes it. Nothing fails.
- ***call***: the same call inside Heddle again, only where a repeat is harmless; then the problem, which a client may repeat with the same \`Idempotency-Key\`.
- ***later***: whoever wanted it wants it again.

What depends on a task gets its **end** and not the class. While it is retried it has not ended, and they wait. If it ends otherwise
than \`succeeded\`, tasks with it in \`after\` are \`skipped\` with \`dependency_failed\` and the chain of causes, or with
\`"on_dependency_failure": "run"\` begin with its error before them; \`await_tasks\` and \`/wait\` show the error; its children are
cancelled with \`parent_ended\`. A failure that nobody saw makes the run \`failed\`, and is the finding \`unobserved_failure\` of its parent.
`;
