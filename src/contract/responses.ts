/** Zod twins of shapes.ts, for /openapi.json and for tests of answers; the check at the end keeps the two alike. */

import * as z from "zod";
import { scopes } from "./admin-requests.ts";
import type * as shapes from "./shapes.ts";
import { taskStates } from "./task-requests.ts";

const at = z.int().describe("Epoch milliseconds.");
const cursor = z.string().nullable().describe("null on the last page.");
const usage = z.strictObject({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_tokens: z.int(),
  cache_write_tokens: z.int(),
});
const runStatus = z.enum(["active", "paused", "succeeded", "failed", "cancelled"]);
const taskState = z.enum(taskStates);
const waitMode = z.enum(["all", "any", "settled"]);
const counts = z.record(taskState, z.int());

const limitsView = z.strictObject({
  workers: z.int(),
  tasks: z.int(),
  depth: z.int(),
  children: z.int(),
  tokens: z.int().nullable(),
  usd: z.null(),
  timeout_ms: z.int(),
  hold_ms: z.int().nullable(),
  stall_ms: z.int(),
  pools: z.array(z.string()),
});

export const runView = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    status: runStatus,
    reason: z.string().nullable().describe("Why a paused run pauses, or an ended one ended early."),
    idle: z.boolean().describe("Nothing is live."),
    snapshot: z.string().describe("The head: the last snapshot appended from outside."),
    format: z.enum(["anthropic", "openai"]),
    root: z.string().nullable(),
    counts,
    seats: z.strictObject({ open: z.int(), target: z.int() }),
    limits: limitsView,
    usage: usage.extend({ tokens: z.int().describe("Billable: input and output.") }),
    cost: z.null(),
    findings: z.int(),
    last_seq: z.int(),
    created_at: at,
    ended_at: at.nullable(),
  })
  .meta({ id: "Run" });

const runRow = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    status: runStatus,
    created_at: at,
    ended_at: at.nullable(),
  })
  .meta({ id: "RunRow" });

const waitingOn = z
  .union([
    z.strictObject({ tasks: z.array(z.string()), mode: waitMode.exactOptional(), until: at.exactOptional() }),
    z.strictObject({
      variables: z.array(z.string()),
      op: z.string().describe("The tool and its op, as in lock.acquire."),
      since: at,
      until: at.exactOptional(),
    }),
    z.strictObject({ backoff_until: at }),
    z.strictObject({ children: z.int() }),
    z.strictObject({ budget: z.literal(true) }),
  ])
  .nullable();

const errorView = z
  .strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string().exactOptional(),
    get cause() {
      return z.strictObject({ task: z.string(), error: errorView }).exactOptional();
    },
  })
  .meta({ id: "TaskError" });

export const taskView = z
  .strictObject({
    id: z.string(),
    key: z.string().nullable(),
    title: z.string().nullable(),
    state: taskState,
    priority: z.int(),
    effective_priority: z.int(),
    pool: z.string(),
    parent: z.string().nullable(),
    depth: z.int(),
    generation: z.int(),
    attempts: z.int(),
    turns: z.int(),
    after: z.array(z.string()),
    labels: z.record(z.string(), z.string()),
    result: z.unknown(),
    error: errorView.nullable(),
    usage,
    timings: z.strictObject({
      created_at: at,
      ready_at: at.nullable(),
      started_at: at.nullable(),
      ended_at: at.nullable(),
    }),
    waiting_on: waitingOn,
    children_failed: z.int(),
    fork: z.strictObject({ snapshot: z.string(), mode: z.string(), reason: z.string().exactOptional() }),
  })
  .meta({ id: "Task" });

export const createdTasks = z.strictObject({
  tasks: z.array(
    z.strictObject({
      id: z.string(),
      key: z.string().nullable(),
      state: taskState,
      priority: z.int(),
      pool: z.string(),
    }),
  ),
  projection: z.strictObject({
    input_tokens: z.number(),
    cached_tokens: z.number(),
    cost: z.number().nullable(),
    budget_left: z.number().nullable(),
    critical_path_tasks: z.int(),
  }),
  notes: z.array(z.string()).exactOptional(),
});

const eventView = z
  .looseObject({ seq: z.int(), at, type: z.string(), task: z.string().exactOptional(), causes: z.array(z.int()) })
  .meta({ id: "Event" });

export const waitView = z.strictObject({
  done: z.boolean(),
  tasks: z.array(taskView).exactOptional(),
  counts: counts.exactOptional(),
  failed: z.array(z.string()).exactOptional(),
});

export const contextView = z
  .strictObject({
    format: z.enum(["anthropic", "openai"]),
    model: z.string().exactOptional(),
    system: z.unknown().exactOptional(),
    messages: z.array(z.looseObject({})),
    tools: z.unknown().exactOptional(),
    params: z.unknown().exactOptional(),
  })
  .meta({ id: "ContextView" });

export const snapshotView = contextView
  .extend({ snapshot: z.string(), parent: z.string().nullable() })
  .meta({ id: "Snapshot" });
export const appended = z.strictObject({ snapshot: z.string() });

const leaseView = z
  .strictObject({
    id: z.string().describe("The capability for this attempt: its calls need no key."),
    expires_at: at,
    run: z.string(),
    snapshot: z.string(),
    task: taskView.extend({ instructions: z.string(), attempt: z.int() }),
    context: contextView.nullable().describe("null: too large to travel along; fetch `snapshot` of `run`."),
  })
  .meta({ id: "Lease" });

export const leasesView = z.strictObject({ leases: z.array(leaseView) });
export const renewed = z.strictObject({ expires_at: at });
export const completed = z.strictObject({ lease: leaseView.exactOptional() });
export const failed = z.strictObject({ state: taskState, error: errorView });

export const toolOutcome = z
  .union([
    z.strictObject({ result: z.unknown() }),
    z.strictObject({ error: z.looseObject({ code: z.string(), message: z.string(), hint: z.string() }) }),
    z.strictObject({ pending: z.literal(true), call_id: z.string() }),
  ])
  .meta({ id: "ToolOutcome" });

export const toolDefinitionsView = z.strictObject({ tools: z.array(z.looseObject({})) });

export const importedView = z
  .object({
    id: z.string().describe("The run's id: it is found under it once the last line is in."),
    lines: z.int().describe("Lines of the file that are in."),
    run: runView.nullable().describe("null while lines are missing."),
  })
  .meta({ id: "Imported" });

export const runsPage = z.strictObject({ runs: z.array(runRow), next_cursor: cursor });
export const variableView = z
  .strictObject({
    name: z.string(),
    kind: z.string(),
    state: z.record(z.string(), z.unknown()).describe("What its kind shows of its value; long values are cut."),
    holders: z.array(z.unknown()),
    waiters: z.array(z.unknown()),
    ops: z.record(z.string(), z.int()).describe("Ops since `ops_since`, by name."),
    ops_since: at.nullable().describe("When its object was last loaded; null before the first op."),
    created_at: at.nullable(),
  })
  .meta({ id: "Variable" });
export const actorView = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    ttl_ms: z.int(),
    created_at: at,
    expires_at: at.describe("When it ends unless it is used or renewed."),
    holds: z.array(
      z.strictObject({
        variable: z.string(),
        since: at,
        token: z.int().exactOptional(),
        mode: z.string().exactOptional(),
        permits: z.int().exactOptional(),
      }),
    ),
    waiting_on: waitingOn,
  })
  .meta({ id: "Actor" });
export const actorsPage = z.strictObject({ actors: z.array(actorView), next_cursor: cursor });
const findingView = z
  .strictObject({
    id: z.string(),
    at,
    kind: z.string(),
    severity: z.enum(["info", "warning", "error"]),
    subjects: z.array(z.string()).describe("Tasks."),
    evidence: z.array(z.int()).describe("`seq` of the events that show it, its own last."),
    message: z.string(),
  })
  .meta({ id: "Finding" });
export const findingsPage = z.strictObject({ findings: z.array(findingView), next_cursor: cursor });
export const variablesPage = z.strictObject({ variables: z.array(variableView), next_cursor: cursor });
export const tasksPage = z.strictObject({ tasks: z.array(taskView), next_cursor: cursor });
export const eventsPage = z.strictObject({ events: z.array(eventView), next_cursor: cursor });

export const tenantView = z.strictObject({ id: z.string(), name: z.string(), created_at: at }).meta({ id: "Tenant" });
const keyView = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    scopes: z.array(z.enum(scopes)),
    created_at: at,
    revoked_at: at.nullable(),
  })
  .meta({ id: "Key" });
export const createdKey = keyView.extend({ key: z.string().describe("Shown this once; only its SHA-256 is kept.") });
export const tenantsPage = z.strictObject({ tenants: z.array(tenantView), next_cursor: cursor });
export const keysPage = z.strictObject({ keys: z.array(keyView), next_cursor: cursor });

const modelSource = z.enum(["provider", "simulated", "none"]);
export const aboutView = z
  .strictObject({
    version: z.string(),
    at: at.describe("The server's clock."),
    tenant: z.string(),
    scopes: z.array(z.enum(scopes)),
    models: z
      .strictObject({ anthropic: modelSource, openai: modelSource })
      .describe("What answers hosted tasks, by their context's format; none: they fail with no_provider."),
  })
  .meta({ id: "About" });

export const healthView = z.strictObject({ status: z.literal("ready") });

export const problemView = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    hint: z.string(),
    instance: z.string(),
    detail: z.string().exactOptional(),
    errors: z.array(z.strictObject({ path: z.string(), message: z.string() })).exactOptional(),
    retryable: z.boolean(),
  })
  .meta({ id: "Problem" });

type Twins<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type AllTrue<Checks extends boolean[]> = Checks extends true[] ? true : false;

// Compiles only while each schema and its shape accept each other.
true satisfies AllTrue<
  [
    Twins<z.infer<typeof limitsView>, shapes.LimitsView>,
    Twins<z.infer<typeof runView>, shapes.RunView>,
    Twins<z.infer<typeof waitingOn>, shapes.WaitingOn>,
    Twins<z.infer<typeof errorView>, shapes.ErrorView>,
    Twins<z.infer<typeof taskView>, shapes.TaskView>,
    Twins<z.infer<typeof actorView>, shapes.ActorView>,
    Twins<z.infer<typeof variableView>, shapes.VariableView>,
    Twins<z.infer<typeof findingView>, shapes.FindingView>,
    Twins<z.infer<typeof aboutView>, shapes.AboutView>,
    Twins<z.infer<typeof createdTasks>, shapes.CreatedTasks>,
    Twins<z.infer<typeof eventView>, shapes.EventView>,
    Twins<z.infer<typeof waitView>, shapes.WaitView>,
    Twins<z.infer<typeof toolOutcome>, shapes.ToolOutcome>,
    Twins<z.infer<typeof leaseView>["task"], shapes.LeaseGrant["task"]>,
  ]
>;
