/**
 * Questions as the Tasks extension asks them (`input_required`): one elicitation each, a form that a person fills in, and what the filled
 * form says to the run.
 *
 * E1. A request is a function of its question, so every look shows the same one. Its key has the request's digest: a question that has
 *     become another one is asked anew, and an answer to what it was is none to what it is.
 * E2. Whoever dismisses a form has said nothing: the task waits on, and the question stays open elsewhere. Whoever declines has said no.
 * E3. Whatever is not asked now is left aside: answered before, gone, or never asked. So an answer counts once, however often it comes.
 */

import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import * as z from "zod";
import { digestOf, noDigest } from "../context/line-digest.ts";
import type { AnswerInput, QuestionView, QuestionWait, StallView, WaitAction } from "../contract/question-shapes.ts";
import type { McpCall } from "../http/mcp.ts";
import { problemOf } from "./answers.ts";
import { listed, nameOf, quoted } from "./questions.ts";

interface Form {
  readonly message: string;
  readonly requestedSchema: object;
}

interface Elicitation {
  readonly key: string;
  readonly request: { readonly method: "elicitation/create"; readonly params: Form & { readonly mode: "form" } };
}

export function elicitationOf(run: string, question: QuestionView): Elicitation {
  const form = question.kind === "ask" ? askForm(run, question) : stallForm(run, question);
  const request = { method: "elicitation/create", params: { mode: "form", ...form } } as const;
  return { key: `${question.id}.${digestOf(noDigest, JSON.stringify(request)).slice(0, 12)}`, request };
}

export const inputRequestsOf = (run: string, questions: readonly QuestionView[]): object =>
  Object.fromEntries(
    questions.map((question) => elicitationOf(run, question)).map(({ key, request }) => [key, request]),
  );

const answerField = {
  type: "string",
  title: "Answer",
  description: "Text, or JSON: true, 3, {…}. What reads as JSON is taken as JSON; 1.10 or 007 stays text.",
};

const words = (ask: string | null): string =>
  ask === null ? "" : `\n\nIt asks, in its own words (a model's text, which Heddle has not checked):\n${quoted(ask)}`;

function askForm(run: string, wait: QuestionWait): Form {
  const { ask, op, wanted } = wait;
  const isFuture = op === "future.await";
  const becomes = isFuture
    ? `Your answer becomes the value of ${wanted.length === 1 ? `the future ${listed(wanted)}` : "the future that you choose"}.`
    : `Your answer goes to it as a message of the queue ${listed(wanted)}.`;
  return {
    message: `Task ${nameOf(wait)} of the Heddle run ${run} waits for somebody outside.${words(ask)}\n\n${becomes} Decline to tell it no.`,
    requestedSchema: {
      type: "object",
      properties: {
        answer: answerField,
        ...(wanted.length > 1 && { variable: { type: "string", title: "Of", enum: [...wanted] } }),
      },
      required: wanted.length > 1 ? ["answer", "variable"] : ["answer"],
    },
  };
}

const extend = "extend";
const choices: Readonly<Record<WaitAction, (wait: QuestionWait, name: string) => string>> = {
  answer: ({ op }, name) =>
    op === "future.await" ? `Give the future ${name} a value` : `Push a message to the queue ${name}`,
  decline: ({ op }, name) => (op === "future.await" ? `Reject the future ${name}` : `Tell it that no message comes`),
  cancel: () => "Cancel this task",
};

interface Choice {
  readonly const: string;
  readonly title: string;
  readonly wait: QuestionWait;
  readonly action: WaitAction;
  readonly variable: string | undefined;
}

function choicesOf({ waits }: StallView): Choice[] {
  return waits.flatMap((wait) =>
    wait.actions.flatMap((action) => {
      const names = action === "cancel" ? [undefined] : wait.wanted.length > 0 ? wait.wanted : [undefined];
      return names.map((variable, i): Choice => {
        const title = `${choices[action](wait, listed([variable ?? wait.variables[0] ?? ""]))}: ${nameOf(wait)}`;
        return { const: `${wait.id}:${action}:${i}`, title, wait, action, variable };
      });
    }),
  );
}

function stallForm(run: string, stall: StallView): Form {
  const { waits, waits_total: total } = stall;
  const lines = waits.map((wait) => {
    const { ask, op, variables } = wait;
    const own = ask === null ? "" : `, and asks, in its own words (a model's text):\n${quoted(ask)}`;
    return `- ${nameOf(wait)} waits in ${op} for ${listed(variables)}${own}`;
  });
  const more = total > waits.length ? `\n- and ${total - waits.length} more` : "";
  return {
    message: `The Heddle run ${run} stands still: ${total} ${total === 1 ? "task waits" : "tasks wait"}, and none is left that could act.\n${lines.join("\n")}${more}\n\nSomebody outside can act. If nobody does in time, the wait of one of them is ended with an error, and it goes on with that.`,
    requestedSchema: {
      type: "object",
      properties: {
        what: {
          type: "string",
          title: "What to do",
          oneOf: [
            ...choicesOf(stall).map(({ const: value, title }) => ({ const: value, title })),
            { const: extend, title: "Leave them more time: I act by other means" },
          ],
        },
        answer: { ...answerField, description: `The value or message, where you give one. ${answerField.description}` },
      },
      required: ["what"],
    },
  };
}

const response = z.looseObject({
  action: z.enum(["accept", "decline", "cancel"]),
  content: z.record(z.string(), z.unknown()).nullish(),
});

/** What a filled form says, and to which question; undefined: nothing (E2). @throws ProtocolError for a form that can't be read */
function saidBy(
  question: QuestionView,
  given: unknown,
): { readonly id: string; readonly body: AnswerInput } | undefined {
  const read = response.safeParse(given);
  if (!read.success) throw wrong("expected {action: accept, decline or cancel, content?}");
  const { action, content } = read.data;
  if (action === "cancel") return undefined;
  if (question.kind === "stall") return action === "accept" ? choiceIn(question, content ?? {}) : undefined;
  const { id, wanted } = question;
  if (action === "decline") return { id, body: { action } };
  const { answer, variable } = content ?? {};
  if (typeof answer !== "string") throw wrong("content.answer: expected a text");
  if (wanted.length > 1 && !wanted.some((name) => name === variable))
    throw wrong(`content.variable: expected one of ${listed(wanted)}`);
  const of = wanted.length > 1 ? { variable: variable as string } : {};
  return { id, body: { action: "answer", value: valueIn(answer), ...of } };
}

function choiceIn(
  stall: StallView,
  { what, answer }: Readonly<Record<string, unknown>>,
): { readonly id: string; readonly body: AnswerInput } {
  if (what === extend) return { id: stall.id, body: { action: "extend" } };
  const choice = choicesOf(stall).find((one) => one.const === what);
  if (!choice) throw wrong("content.what: expected one of what is offered");
  const { wait, action, variable } = choice;
  const of = variable === undefined ? {} : { variable };
  if (action === "cancel") return { id: wait.id, body: { action } };
  if (action === "decline") return { id: wait.id, body: { action, ...of } };
  if (typeof answer !== "string") throw wrong("content.answer: expected a text, to give it");
  return { id: wait.id, body: { action, value: valueIn(answer), ...of } };
}

const wrong = (message: string) => new ProtocolError(ProtocolErrorCode.InvalidParams, `inputResponses: ${message}`);

/** A form has text alone. What would be another text as a number is none: a version, or an account of twenty digits. */
function valueIn(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "number" && String(value) !== text.trim() ? text : value;
  } catch {
    return text;
  }
}

/** Somebody else was first, or its task goes on without: there is nothing to answer any more (E3). */
const late: ReadonlySet<string> = new Set(["question_closed", "not_found", "run_ended"]);

/** Takes the answers to what is asked now to the run. @throws ProtocolError for the first that could not be taken, after all others */
export async function takeAnswers(
  call: McpCall,
  run: string,
  questions: readonly QuestionView[],
  responses: Readonly<Record<string, unknown>>,
): Promise<void> {
  let failed: ProtocolError | undefined;
  for (const question of questions) {
    const { key } = elicitationOf(run, question);
    if (!Object.hasOwn(responses, key)) continue;
    try {
      await takeAnswer(call, run, question, responses[key]);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      failed ??= error;
    }
  }
  if (failed) throw failed;
}

async function takeAnswer(call: McpCall, run: string, question: QuestionView, given: unknown): Promise<void> {
  const said = saidBy(question, given);
  if (!said) return;
  const answered = await call.ask({
    ...{ method: "POST", path: "/v1/runs/:run/questions/:question/answer", params: { run, question: said.id } },
    ...{ body: JSON.stringify(said.body), idempotencyKey: `answer_${crypto.randomUUID()}` },
  });
  if (answered.ok) return;
  const problem = problemOf(answered);
  if (late.has(problem.code)) return;
  const { code, title, detail, hint, retryable } = problem;
  throw new ProtocolError(
    retryable ? ProtocolErrorCode.InternalError : ProtocolErrorCode.InvalidParams,
    detail ?? title,
    { code, hint, retryable },
  );
}
