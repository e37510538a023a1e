export { HeddleAdmin } from "./admin.ts";
export { HeddleProblem, HeddleUnreachable, isProblem } from "./errors.ts";
export { Heddle, type ToolsOptions } from "./heddle.ts";
export type * from "./replies.ts";
export { isPartial } from "./replies.ts";
export type * from "./requests.ts";
export { BrokenExport } from "./run-files.ts";
export type { CallOptions, TransportOptions } from "./transport.ts";
