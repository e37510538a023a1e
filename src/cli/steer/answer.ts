/** `heddle answer` */

import type { Answered, AnswerInput } from "../../client/index.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { readInput } from "../json-input.ts";
import { say, sayJson } from "../screen/output.ts";
import { UsageError, type Values } from "../usage.ts";

export const answerCommand: Command = {
  name: "answer",
  group: "Steer",
  summary: "answer a question of a run",
  words: [{ name: "RUN", names: "run" }, { name: "QUESTION" }, { name: "ANSWER", optional: true }],
  flags: {
    text: { about: "ANSWER is a text, also where it reads as JSON" },
    of: { value: "NAME", about: "which one, where the task waits for several futures", names: "variable" },
    decline: { about: "say no: the future is rejected, the wait for a message ends" },
    cancel: { about: "cancel the task that waits" },
    reason: { value: "TEXT", about: "of --decline or --cancel" },
    extend: { about: "give a run that stands still its stall_ms once more" },
    json: { about: '{"id", "action", "open"} as one JSON object' },
  },
  ask: "Name one run, one of its questions (heddle questions RUN lists them), and the answer.",
  about: `Answers a question, or one of the waits of a run that stands still. ANSWER is the value that the task gets: JSON where all of it
is JSON (true, 7, {"go": true}), else text; so is a whole number of more digits than JSON keeps (beyond 9007199254740991);
"-" reads it from stdin. An answer counts once: who comes second is told so, and nothing is done.`,
  more: `Exit status: 0; 1 the question is not open any more, or never was, or the server refused; 2 usage; 3 server not reached.

Examples:
  heddle answer run_… Q12-0r5mcq true
  heddle answer run_… Q12-0r5mcq --decline --reason "Not before Monday."`,
  run: async ({ flags, words: [run, question, text] }) => {
    const body = bodyOf(flags, text);
    const answered = await (await reach()).answerQuestion(run!, question!, body);
    if (flags.json === true) sayJson(answered);
    else say(said(answered));
    return exitStatus.ok;
  },
};

const named = {
  answer: "answered",
  decline: "declined",
  cancel: "answered: its task is cancelled",
  extend: "given more time",
};

const said = ({ id, action, open }: Answered): string =>
  `${id} is ${named[action]}${open && action !== "extend" ? ", and waits for more" : ""}.`;

function bodyOf(flags: Values, text: string | undefined): AnswerInput {
  const { decline, cancel, extend, of, reason } = flags;
  const ways = [text !== undefined, decline === true, cancel === true, extend === true].filter(Boolean).length;
  if (ways !== 1) throw usage("Give one of ANSWER, --decline, --cancel and --extend.");
  if (reason !== undefined && decline !== true && cancel !== true)
    throw usage("--reason is for --decline and --cancel.");
  if (of !== undefined && text === undefined && decline !== true) throw usage("--of is for ANSWER and --decline.");
  if (flags.text === true && text === undefined) throw usage("--text is for ANSWER.");
  const which = typeof of === "string" ? { variable: of } : {};
  const why = typeof reason === "string" ? { reason } : {};
  if (text !== undefined) return { action: "answer", value: valueIn(text, flags.text === true), ...which };
  if (decline === true) return { action: "decline", ...which, ...why };
  return cancel === true ? { action: "cancel", ...why } : { action: "extend" };
}

const usage = (message: string) => new UsageError(message, "answer");

function valueIn(word: string, isText: boolean): unknown {
  // What a shell pipes in ends with a line break that nobody means.
  const text = word === "-" ? readInput("-").replace(/\r?\n$/, "") : word;
  if (isText) return text;
  try {
    const value: unknown = JSON.parse(text);
    // The number of an order or an account would come to the task with other digits.
    return /^\s*-?\d+\s*$/.test(text) && !Number.isSafeInteger(value) ? text : value;
  } catch {
    return text;
  }
}
