/**
 * Zod twins of shapes.ts, for /openapi.json and for tests of answers: what is told of runs, their tasks and variables, and to workers. The
 * check at the end keeps the two alike.
 */

import * as z from "zod";
import { troubles } from "../availability/observation.ts";
import { taskProgressSchema } from "./lease-requests.ts";
import { runStatuses } from "./run-statuses.ts";
import type * as shapes from "./shapes.ts";
import { taskStates } from "./task-requests.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";

const expiresAt = at
  .nullable()
  .describe("From when on it is deleted, with all that it has; null while it goes on, and where it is kept.");
const usage = z.strictObject({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_read_tokens: z.int(),
  cache_write_tokens: z.int(),
  cost_usd: z.number().nullable().describe("null where some of the tokens were of a model without a price."),
  simulated: z.boolean().describe("Some of the cost is the simulated model's, which nobody is billed for."),
});
const hitRatio = z.number().nullable().describe("Of the input; null without any.");
const cacheView = z.strictObject({
  read: z.int(),
  write: z.int(),
  uncached: z.int(),
  hit_ratio: hitRatio,
  lineages: z
    .array(
      z.strictObject({
        snapshot: z.string(),
        model: z.string(),
        tokens: z.int().describe("Of the shared prefix, as estimated."),
        read: z.int(),
        write: z.int(),
        uncached: z.int(),
        hit_ratio: hitRatio,
        warm_until: at.nullable().describe("Until when the vendor is taken to keep the prefix."),
        warming: z.boolean().describe("One task reads the prefix now, and ready siblings are held for it."),
      }),
    )
    .describe("Prefixes that tasks share, those with the most tokens."),
});
const runStatus = z.enum(runStatuses);
export const taskState = z.enum(taskStates);
const waitMode = z.enum(["all", "any", "settled"]);
// An object, and not a record, so that the description names its fields.
const counts = z.strictObject(
  Object.fromEntries(taskStates.map((state) => [state, z.int()])) as Record<shapes.TaskState, z.ZodInt>,
);

const limitsView = z.strictObject({
  workers: z.int(),
  tasks: z.int(),
  depth: z.int(),
  children: z.int(),
  tokens: z.int().nullable(),
  usd: z.number().nullable(),
  timeout_ms: z.int(),
  hold_ms: z.int().nullable(),
  stall_ms: z.int(),
  warm_ms: z.int(),
  pools: z.array(z.string()),
});

const remoteTool = z
  .strictObject({
    name: z.string(),
    description: z.string(),
    input_schema: z.record(z.string(), z.unknown()),
    pool: z.string().exactOptional(),
    url: z.string().exactOptional(),
    mcp: z
      .strictObject({ tool: z.string(), credential: z.string().exactOptional(), repeats: z.boolean() })
      .describe("`url` is an MCP server's, and the tool's name there.")
      .exactOptional(),
    timeout_ms: z.int(),
    retries: z.strictObject({ limit: z.int() }),
  })
  .meta({ id: "RemoteToolView" });

const ruleFields = {
  from: z.enum(["deployment", "tenant", "run"]).describe("Whose rule it is."),
  line: z.int(),
  rule: z.string().describe("As it was understood."),
};

export const rulesView = z
  .strictObject({
    rules: z.array(
      z.strictObject({
        ...ruleFields,
        on: z.boolean().describe("Of one with a condition: it holds now.").exactOptional(),
        fired: z.int().describe("How often it has fired.").exactOptional(),
        changed_at: at.nullable().describe("When it fired last, or ceased to hold.").exactOptional(),
      }),
    ),
    workers: z.strictObject({
      max: z.int().describe("How many tasks may work now."),
      by: z.strictObject(ruleFields).nullable().describe("The rule that says so; null: the run's own limits."),
    }),
    limits: z
      .array(
        z.strictObject({
          limit: z.enum(["tasks", "depth", "children", "tokens", "usd", "tokens_per_task"]),
          max: z.number(),
          by: z.strictObject(ruleFields),
        }),
      )
      .describe("Other limits that a rule sets, with that rule."),
  })
  .meta({ id: "Rules" });

const availabilityView = z
  .strictObject({
    model: z.string().nullable().describe("null: seats, whatever the model."),
    limit: z.int().nullable().describe("Calls, or seats, at once; null: as many as the run's own limits allow."),
    runs: z.int().describe("Runs of the tenant that share what its credential takes of the model, this one included."),
    in_flight: z.int(),
    calls: z.int().describe("That ended."),
    refused: z.int(),
    why: z.enum(troubles).nullable().describe("Of the last refusal; null: there was none."),
    retry_after_ms: z.int().nullable().describe("What the provider asked for last."),
    closed_until: at.nullable().describe("Nothing begins before."),
    gap_ms: z.int().nullable().describe("Between two beginnings, at a limit of 1."),
    left: z
      .int()
      .nullable()
      .describe("How many calls may begin now, by what the provider says is left per minute; null: it does not say."),
  })
  .meta({ id: "Availability" });

export const runView = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    status: runStatus,
    reason: z.string().nullable().describe("Why a paused run pauses, or an ended one ended early."),
    idle: z.boolean().describe("Nothing is live."),
    snapshot: z.string().describe("The head: the last snapshot appended from outside."),
    format: z.enum(["anthropic", "openai"]),
    credential: z
      .string()
      .nullable()
      .describe("Of the tenant's credentials, the one that hosted tasks use; null: the deployment's own."),
    root: z.string().nullable(),
    counts,
    seats: z.strictObject({
      open: z.int(),
      target: z.int().describe("Those that it can use now."),
      most: z.int().describe("As many hosted tasks may work at once now."),
      bound_by: z
        .enum(["limits", "rules", "tenant", "deployment"])
        .describe(
          "What says so: its limits or rules, or its share of the seats: of its tenant's, or of the deployment's.",
        ),
    }),
    quota: z
      .strictObject({ name: z.string(), limit: z.int(), until: at })
      .nullable()
      .describe("What a paused run waits for, where its reason is `quota`; it goes on by itself."),
    limits: limitsView,
    tools: z.array(remoteTool).describe("Those that the run declares."),
    usage: usage.extend({ tokens: z.int().describe("Billable: input and output.") }),
    cost: z.number().nullable().describe("As usage.cost_usd."),
    redact: z.boolean().describe("Events, traces, findings and partial texts show none of its texts."),
    unpriced_models: z.array(z.string()).describe("Models without a price that were called, some of them."),
    cache: cacheView,
    rules: rulesView.nullable().describe("null: there are none."),
    availability: z
      .array(availabilityView)
      .describe(
        "Of each model that is being called, was refused, or says what is left; and of the platform's seats where they gave trouble.",
      ),
    findings: z
      .int()
      .describe("What it noticed itself as it went; `/findings` also has what only the whole log shows."),
    questions: z.int().describe("Open ones: tasks that wait for somebody outside, and a run that stands still."),
    last_seq: z.int(),
    created_at: at,
    ended_at: at.nullable(),
    notes: z
      .array(z.string())
      .describe("In the answer to its creation: what the caller should know and need not act on.")
      .exactOptional(),
    retention_days: z.int().nullable().describe("How long it is kept after its end; null: until somebody deletes it."),
    expires_at: expiresAt,
  })
  .meta({ id: "Run" });

const runRow = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    status: runStatus,
    created_at: at,
    ended_at: at.nullable(),
    expires_at: expiresAt,
  })
  .meta({ id: "RunRow" });

const toolWait = z.strictObject({
  id: z.string(),
  tool: z.string(),
  call: z.string().describe("The call's id in the reply."),
  state: z.enum(["ready", "running", "waiting"]).describe("waiting: to be tried again."),
  since: at,
  until: at.describe("When it times out."),
  attempts: z.int(),
  worker: z.string().exactOptional(),
  progress: z
    .strictObject({ at, message: z.string().exactOptional(), fraction: z.number().exactOptional() })
    .exactOptional(),
});

const waitingOn = z
  .union([
    z.strictObject({ tasks: z.array(z.string()), mode: waitMode.exactOptional(), until: at.exactOptional() }),
    z.strictObject({
      variables: z.array(z.string()),
      op: z.string().describe("The tool and its op, as in lock.acquire."),
      since: at,
      until: at.exactOptional(),
      external: z.literal(true).describe("Somebody outside the run is to end it.").exactOptional(),
      ask: z.string().describe("What the task asks that one: a model's text.").exactOptional(),
      question: z.string().describe("By which it can be answered, while it can.").exactOptional(),
    }),
    z.strictObject({ tools: z.array(toolWait) }),
    z.strictObject({ backoff_until: at }),
    z.strictObject({ children: z.int() }),
    z.strictObject({ fallback: z.string().describe("The task that runs because this one failed.") }),
    z.strictObject({
      budget: z.literal(true),
      needs: z
        .strictObject({ tokens: z.int(), usd: z.number().nullable().describe("null without a budget in dollars.") })
        .describe("What its next model call may need at most.")
        .exactOptional(),
    }),
    z.strictObject({ cache_warming: z.string().describe("The task that reads the shared prefix first."), until: at }),
    z.strictObject({
      availability: z.string().describe("The model that is at its limit, or is to be left alone."),
      until: at.nullable().describe("null: until another call of it has ended."),
    }),
  ])
  .nullable();

export const errorView = z
  .strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string().exactOptional(),
    because: z
      .strictObject({
        task: z.string(),
        key: z.string().exactOptional(),
        state: taskState,
        code: z.string().describe("Absent where it succeeded or had not ended.").exactOptional(),
      })
      .describe("The task that it ended because of, as it was then.")
      .exactOptional(),
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
    progress: taskProgressSchema
      .extend({ at })
      .describe("What its pull worker last told of the present attempt; a restart forgets it.")
      .nullable(),
    pending_messages: z.int().describe("Messages to it that its next turn shows."),
    children_failed: z.int(),
    group: z
      .strictObject({
        name: z.string(),
        state: z.enum(["open", "met", "failed"]),
        require: z.int().describe("How many must succeed."),
        succeeded: z.int(),
        ended: z.int(),
        size: z.int(),
      })
      .nullable(),
    stand_in: z.string().describe("The task that its `on_failure` became.").nullable(),
    stands_in_for: z
      .strictObject({ task: z.string(), why: z.enum(["fallback", "compensation"]) })
      .describe("The task that failed, or whose work this one undoes.")
      .nullable(),
    fork: z.strictObject({ snapshot: z.string(), mode: z.string(), reason: z.string().exactOptional() }),
  })
  .meta({ id: "Task" });

export const createdTasks = z.strictObject({
  snapshot: z.string().describe("What they fork: `from`, or the head that the run had."),
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
    cache_write_tokens: z.number(),
    output_tokens: z.number().describe("What the cost assumes: 500 for each hosted task's first call."),
    cost: z.number().nullable().describe("US dollars of each hosted task's first call; null without a price."),
    simulated: z.boolean(),
    budget_left: z.number().nullable().describe("Tokens."),
    budget_left_usd: z.number().nullable(),
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
  paused: z
    .string()
    .describe("Why the run is paused, where it is and the wait is not done: nothing begins until it is resumed.")
    .exactOptional(),
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

export const messageSent = z.strictObject({ seq: z.int().describe("Of its event in the log.") });
export const signingSecret = z.strictObject({
  secret: z.string().describe("`whsec_` and base64: the key of the signatures that calls of urls carry."),
});

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
const turnView = z
  .strictObject({
    turn: z.int(),
    generation: z.int().describe("In which it was taken: a retry from a turn keeps those before."),
    seq: z.int(),
    at,
    snapshot: z.string().describe("The transcript up to its reply."),
    usage,
    model: z.string().nullable(),
    model_ms: z.number().nullable(),
    calls: z.array(z.strictObject({ id: z.string(), name: z.string() })).describe("Tools that its reply called."),
  })
  .meta({ id: "Turn" });
export const turnsPage = z.strictObject({ turns: z.array(turnView), next_cursor: cursor });
export const tasksPage = z.strictObject({ tasks: z.array(taskView), next_cursor: cursor });
export const ticketView = z
  .strictObject({ ticket: z.string().describe("hdt_…"), expires_at: at })
  .meta({ id: "Ticket" });
export const eventsPage = z.strictObject({ events: z.array(eventView), next_cursor: cursor });

export const problemView = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    hint: z.string(),
    instance: z.string(),
    detail: z.string().exactOptional(),
    errors: z
      .array(
        z.strictObject({
          path: z.string(),
          message: z.string(),
          line: z.int().describe("Of a text of many lines: where, from 1.").exactOptional(),
          suggestion: z.string().describe("What may have been meant.").exactOptional(),
        }),
      )
      .exactOptional(),
    line: z.int().describe("Of the first error.").exactOptional(),
    retryable: z.boolean(),
  })
  .meta({ id: "Problem" });

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
    Twins<z.infer<typeof ticketView>, shapes.TicketView>,
    Twins<z.infer<typeof findingView>, shapes.FindingView>,
    Twins<z.infer<typeof turnView>, shapes.TurnView>,
    Twins<z.infer<typeof createdTasks>, shapes.CreatedTasks>,
    Twins<z.infer<typeof eventView>, shapes.EventView>,
    Twins<z.infer<typeof waitView>, shapes.WaitView>,
    Twins<z.infer<typeof toolOutcome>, shapes.ToolOutcome>,
    Twins<z.infer<typeof remoteTool>, shapes.RemoteToolView>,
  ]
>;
