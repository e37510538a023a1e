/**
 * The Tasks extension (SEP-2663): waits of tools that take longer, as durable tasks that a client polls.
 *
 * Nothing of Heddle asks a person in the middle of a wait, so no task is ever `input_required`: a deadlock's victim is told so as a tool's
 * error, and what a paused run needs is the operator's to give.
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
import { type Handle, readHandle } from "./handles.ts";
import { safely } from "./safely.ts";
import { completedTask, workingTask } from "./task-view.ts";
import { clientOf, tasksExtension } from "./turn.ts";
import { waitOf } from "./waits.ts";

const named = z.looseObject({ taskId: z.string() });

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
      const looked = await waitOf(call, handle).look(0);
      if ("busy" in looked) {
        const problem = problemInside(looked.busy)!;
        throw new ProtocolError(ProtocolErrorCode.InternalError, problem.message, problem);
      }
      if (!looked.done) return workingTask(params.taskId, handle, looked.message);
      const problem = problemInside(looked.done);
      // The run was deleted, the session's time is over, or they are another tenant's.
      if (problem?.code === "not_found" || problem?.code === "lease_lost") throw unknownTask(problem.message);
      return completedTask(params.taskId, handle, looked.done);
    }),
  );
  // No request of ours is ever open: whatever is sent answers none.
  server.setRequestHandler(
    "tasks/update",
    { params: named },
    safely(async (params, context) => {
      handleOf(params, context);
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
