/** `heddle/client`: everything that the client exports. */

export { version } from "../version.ts";
export { HeddleAdmin } from "./admin.ts";
export type { ToolsOptions } from "./calls/tool-calls.ts";
export {
  BrokenExport,
  type FieldError,
  HeddleProblem,
  HeddleUnreachable,
  isProblem,
  type ProblemCode,
} from "./errors.ts";
export type { FollowOptions, FollowQuery } from "./follow.ts";
export { Heddle } from "./heddle.ts";
export { type Dependency, LeasedTask, LeaseLost, WorkFailed } from "./pool/leased-task.ts";
export type { WorkEnd, WorkOptions } from "./pool/pool-work.ts";
export type * from "./replies.ts";
export { isPartial } from "./replies.ts";
export type * from "./requests.ts";
export { Atomic } from "./run/atomic.ts";
export { type ArriveOptions, Barrier } from "./run/barrier.ts";
export type { CallToEndOptions } from "./run/call-to-end.ts";
export {
  CreatedInPart,
  FutureRejected,
  HoldLost,
  isToolError,
  NoTaskSucceeded,
  SessionLost,
  TaskFailed,
  ToolError,
  type ToolErrorCode,
} from "./run/errors.ts";
export { ForkedContext } from "./run/forked-context.ts";
export { Future, type FutureState } from "./run/future.ts";
export { Hold } from "./run/hold.ts";
export { SharedList } from "./run/list.ts";
export { Lock, LockHold, type LockOptions } from "./run/lock.ts";
export { type MapEntry, SharedMap, type WriteOptions } from "./run/map.ts";
export { SharedMemory } from "./run/memory.ts";
export { type Pause, RunPaused, type TasksWaitOptions } from "./run/pause.ts";
export { type QuestionRef, Questions } from "./run/questions.ts";
export { MessageQueue, type PopOptions } from "./run/queue.ts";
export { Run } from "./run/run.ts";
export { Runs } from "./run/runs.ts";
export { type PermitsOptions, Semaphore } from "./run/semaphore.ts";
export { Session } from "./run/session.ts";
export { Task } from "./run/task.ts";
export {
  type Batch,
  type CreateOptions,
  type NewTask,
  type ResultOf,
  type Settled,
  type TaskRef,
  Tasks,
} from "./run/tasks.ts";
export { type Fence, Variable, type VariableCaller, type WaitOptions } from "./run/variable.ts";
export { Webhook } from "./run/webhook.ts";
export type { CallOptions, TransportOptions } from "./transport.ts";
export {
  type ReceivedHeaders,
  type Verified,
  type VerifyOptions,
  verifyWebhook,
  WebhookRefused,
} from "./verify-webhook.ts";
