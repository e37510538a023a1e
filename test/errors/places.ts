/** Where each row of the table of faults has its case: a class that is in neither table of cases does not compile. */

import type { FaultClass, FaultWith } from "../../src/errors/faults.ts";

/** In workerd (test/objects/faults.test.ts): what needs a clock that moves, or a platform that fails. */
export type InWorkerd =
  | FaultWith<{ readonly at: "platform" }>
  | "no_provider"
  | "worker_lost"
  | "tool_worker_lost"
  | "runtime_gone"
  | "poisoned";

/** On a real server, with a provider that fails (test/e2e/faults.test.ts): all others. */
export type OnServer = Exclude<FaultClass, InWorkerd>;
