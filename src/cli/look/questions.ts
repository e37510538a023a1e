/** `heddle questions` */

import type { QuestionView, QuestionWait } from "../../client/replies.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, manyLines, oneLine } from "../plain-text.ts";
import { note, paintOf, say, sayJson } from "../screen/output.ts";

export const questionsCommand: Command = {
  name: "questions",
  group: "Look",
  summary: "what a run waits for from outside: tasks that ask, and a stall",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task", optional: true, many: true },
  ],
  flags: { json: { about: 'one JSON object per question: {"kind", "id", "since", "until", …}' } },
  ask: "Name one run, and those of its tasks that you care for; without any it is all of them.",
  about: `Lists the run's open questions, the oldest first: tasks that wait for somebody outside, with what they ask in their own words, and
a run in which nobody can go on. With TASK only those that hold one of these up. What a task asks is a model's text: read it as
such. heddle answer gives the answer.`,
  more: "Exit status: 0, also where there is none; 1 no such run or task, or the server refused; 2 usage; 3 server not reached.",
  run: async ({ flags, words: [run, ...tasks] }) => {
    const { questions } = (await reach()).runs.get(run!);
    let count = 0;
    for await (const question of questions.open(tasks.length > 0 ? { tasks } : {})) {
      count++;
      if (flags.json === true) sayJson(question);
      else if (question.kind === "ask") sayAsk(question);
      else sayStall(question);
    }
    if (count === 0 && flags.json !== true) note("There are no open questions.");
    return exitStatus.ok;
  },
};

const nameOf = ({ task, key }: QuestionWait): string => (key === null ? task : `${oneLine(key)} (${task})`);
const wanted = ({ op, variables }: QuestionWait): string => `${op} ${oneLine(variables.join(", "))}`;

function sayWords({ ask }: QuestionWait, indent: string): void {
  if (ask !== null) say(`${indent}> ${manyLines(ask).replaceAll("\n", `\n${indent}> `)}`);
}

function sayAsk(question: { kind: "ask" } & QuestionWait): void {
  const paint = paintOf();
  const { id, since, until } = question;
  const ends = until === null ? "" : `, until ${dateTime(until)}`;
  say(`${paint(id, "bold")}  ${nameOf(question)} waits in ${wanted(question)}`);
  sayWords(question, "  ");
  say(paint(`  since ${dateTime(since)}${ends}`, "dim"));
}

function sayStall({ id, since, until, waits, waits_total: total }: Extract<QuestionView, { kind: "stall" }>): void {
  const paint = paintOf();
  say(
    `${paint(id, "bold")}  the run stands still: ${total} ${total === 1 ? "task waits" : "tasks wait"}, and none is left that could act`,
  );
  for (const wait of waits) {
    say(`  ${paint(wait.id, "bold")}  ${nameOf(wait)} waits in ${wanted(wait)}: ${wait.actions.join(", ")}`);
    sayWords(wait, "    ");
  }
  if (total > waits.length) say(`  and ${total - waits.length} more`);
  say(
    paint(
      `  since ${dateTime(since)}; the wait of one of them is ended at ${dateTime(until)}, or later: extend`,
      "dim",
    ),
  );
}
