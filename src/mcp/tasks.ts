/**
 * The Tasks extension (SEP-2663): waits of tools that take longer, as durable tasks that a client polls.
 *
 * A wait for a run, or for tasks of it, is `input_required` while somebody outside is waited for there: a task asks, or the run stands
 * still. Only a client that can ask its user by a form is told so in this way; others read it in the status. What a paused run
 * needs is the operator's to give, and asked of nobody here.
 */

import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import type { McpCall } from "../http/mcp.ts";
import { problemInside } from "./answers.ts";
import { inputRequestsOf, takeAnswers } from "./elicitation.ts";
import { type Handle, readHandle } from "./handles.ts";
import { statusOf } from "./questions.ts";
import { safely } from "./safely.ts";
import { completedTask, inputRequiredTask, workingTask } from "./task-view.ts";
import { clientOf, tasksExtension } from "./turn.ts";
import { waitOf } from "./waits.ts";

const named = z.looseObject({ taskId: z.string() });
/** As the message has them: the library hands over those alone that it takes for answers. */
const responded = z.looseObject({ inputResponses: z.record(z.string(), z.unknown()).default({}) });

export function serveTasks(server: Server, call: McpCall): void {
  const handleOf = ({ taskId }: { taskId: string }, context: ServerContext): Handle => {
    if (!clientOf(context.mcpReq.envelope).tasks)
      throw new MissingRequiredClientCapabilityError({
        requiredCapabilities: { extensions: { [tasksExtension]: {} } },
      });
    const handle = readHandle(taskId);
    if (!handle || (handle.of === "lease") !== (call.bearer === "lease")) throw unknownTask();
    return handle;
  };

  server.setRequestHandler(
    "tasks/get",
    { params: named },
    safely(async (params, context) => {
      const handle = handleOf(params, context);
      const wait = waitOf(call, handle);
      const looked = await wait.look(0);
      if ("busy" in looked) {
        const problem = problemInside(looked.busy)!;
        throw new ProtocolError(ProtocolErrorCode.InternalError, problem.message, problem);
      }
      if (!looked.done) {
        const questions = (await wait.asked?.questions()) ?? [];
        const message = statusOf(looked.message, questions);
        if (questions.length === 0 || !clientOf(context.mcpReq.envelope).elicits)
          return workingTask(params.taskId, handle, message);
        return inputRequiredTask(params.taskId, handle, message, inputRequestsOf(wait.asked!.run, questions));
      }
      const problem = problemInside(looked.done);
      // The run was deleted, the session's time is over, or they are another tenant's.
      if (problem?.code === "not_found" || problem?.code === "lease_lost") throw unknownTask(problem.message);
      return completedTask(params.taskId, handle, looked.done);
    }),
  );
  server.setRequestHandler(
    "tasks/update",
    { params: named },
    safely(async (params, context) => {
      const { asked } = waitOf(call, handleOf(params, context));
      const { data } = responded.safeParse((call.message as { params?: unknown }).params);
      if (!data) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "inputResponses: expected an object");
      // A wait of another kind asks nothing: whatever is sent answers none.
      if (!asked || Object.keys(data.inputResponses).length === 0) return {};
      const questions = await asked.questions();
      // What was answered must not be taken for late because nobody knows what is asked.
      if (!questions) throw new ProtocolError(ProtocolErrorCode.InternalError, "the run is busy: send it again");
      await takeAnswers(call, asked.run, questions, data.inputResponses);
      return {};
    }),
  );
  server.setRequestHandler(
    "tasks/cancel",
    { params: named },
    safely(async (params, context) => {
      await waitOf(call, handleOf(params, context)).letGo();
      return {};
    }),
  );
}

const unknownTask = (why = "no call has answered with this id") =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, `Task not found: ${why}`);
