/** Questions of a run: what somebody outside is waited for, and the answer. */

import { answerBody, questionsQuery } from "../contract/question-requests.ts";
import { answeredView, questionsPage } from "../contract/question-responses.ts";
import { ask } from "./objects.ts";
import { keyRoute } from "./route.ts";

const scopes = ["runs"] as const;

export const questionRoutes = [
  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/questions",
      summary:
        "List the open questions: tasks that wait for somebody outside, and a run that stands still; oldest first",
      query: questionsQuery,
      answer: { status: 200, schema: questionsPage },
    },
    async ({ theRun, query }) => {
      const { rows, nextCursor } = await ask(theRun().questions(query));
      return { questions: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/questions/:question/answer",
      summary: "Answer a question: with a value, with a no, by ending its task, or with more time",
      body: answerBody,
      answer: { status: 200, schema: answeredView },
      problems: ["question_closed", "run_ended"],
    },
    ({ theRun, params, body, idem }) => ask(theRun().answer(params.question, body, idem)),
  ),
];
