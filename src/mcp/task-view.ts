/** A wait as the Tasks extension shows it (SEP-2663): the handle is the task's id, and everything else follows from it. */

import { mcpHoldMs, mcpTaskPollMs, mcpWaiterMs } from "../limits.ts";
import type { Handle } from "./handles.ts";

const view = (handle: string, wait: Handle, statusMessage?: string) => ({
  taskId: handle,
  createdAt: new Date(wait.since).toISOString(),
  lastUpdatedAt: new Date().toISOString(),
  // A session's time begins anew with each look.
  ttlMs: wait.of === "session" ? Date.now() - wait.since + (wait.holds ? mcpHoldMs : mcpWaiterMs) : null,
  pollIntervalMs: mcpTaskPollMs,
  ...(statusMessage !== undefined && { statusMessage }),
});

/** In place of a tool's result. */
export const taskOf = (handle: string, wait: Handle, statusMessage: string) => ({
  resultType: "task",
  status: "working",
  ...view(handle, wait, statusMessage),
});

export const workingTask = (handle: string, wait: Handle, statusMessage: string) => ({
  status: "working",
  ...view(handle, wait, statusMessage),
});

/** `inputRequests` by their keys, which stay the same as long as they do. */
export const inputRequiredTask = (handle: string, wait: Handle, statusMessage: string, inputRequests: object) => ({
  status: "input_required",
  ...view(handle, wait, statusMessage),
  inputRequests,
});

export const completedTask = (handle: string, wait: Handle, result: object) => ({
  status: "completed",
  ...view(handle, wait),
  // As the request would have been answered in this revision.
  result: { ...result, resultType: "complete" },
});
