/** What carries out calls of tools: a command for each call, one process for all, or the workspace's own tools. */

import type { ToolCallView } from "../../client/replies.ts";
import type { Execution, Telling } from "../worker/execution.ts";

export interface Carrier {
  /** Never throws. */
  start(call: ToolCallView, telling: Telling): Execution;
  /** False while nothing can be carried out. */
  isReady?(): boolean;
}
