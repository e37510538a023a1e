export { HeddleAdmin } from "./admin.ts";
export { BrokenExport, HeddleProblem, HeddleUnreachable, isProblem } from "./errors.ts";
export type { FollowOptions, FollowQuery } from "./follow.ts";
export { Heddle, type ToolsOptions } from "./heddle.ts";
export type * from "./replies.ts";
export { isPartial } from "./replies.ts";
export type * from "./requests.ts";
export type { CallOptions, TransportOptions } from "./transport.ts";
