/**
 * The closed table of problems: code → HTTP status, title, hint, retryable.
 * Codes are contract: they are added, never changed. Hints are read by models and people and say what to do next.
 * What a task can end with, and what follows from it, is the table of faults (faults.ts).
 */

interface Problem {
  readonly status: number;
  readonly title: string;
  readonly hint: string;
  /** The same request may succeed later without a change. */
  readonly retryable?: true;
}

export const problems = {
  malformed_json: {
    status: 400,
    title: "The body is not JSON",
    hint: "Send a JSON object in UTF-8; `detail` names the position.",
  },
  validation_failed: {
    status: 422,
    title: "The request does not match its schema",
    hint: "`errors` names the path of each offending field; /openapi.json has the schema.",
  },
  unsupported_media_type: {
    status: 415,
    title: "The body is not application/json",
    hint: "Send `content-type: application/json`.",
  },
  unauthorized: {
    status: 401,
    title: "No valid key",
    hint: "Send `authorization: Bearer hdl_…`, on /admin the operator's secret; a revoked key stays refused.",
  },
  forbidden: {
    status: 403,
    title: "The key lacks a scope for this",
    hint: "Use a key with the scope that `detail` names.",
  },
  foreign_origin: {
    status: 403,
    title: "The request was sent under another host name, or by a page of one",
    hint: "Call the server by its own name, and from no page of another site: from a program, or by way of your own server. No key or scope changes this.",
  },
  not_found: {
    status: 404,
    title: "There is no such thing here",
    hint: "Check the id and the key's tenant; ids of other tenants are not found either.",
  },
  tenant_deleted: {
    status: 409,
    title: "The tenant is being deleted, or was",
    hint: "Nothing brings it back; create another tenant.",
  },
  key_ended: {
    status: 409,
    title: "The key does not work any more, or was rotated already",
    hint: "Create a new key; `replaced_by` names the one that this was rotated to.",
  },
  method_not_allowed: { status: 405, title: "The path does not take this method", hint: "See /openapi.json." },
  mcp_server_failed: {
    status: 502,
    title: "An MCP server of the run did not say what tools it has",
    hint: "`detail` says why. See that it is up and that its credential is right, then repeat the request; or leave the server out.",
    retryable: true,
  },
  not_available: {
    status: 422,
    title: "This part of Heddle is not available yet",
    hint: "Leave the field out, or do without the call.",
  },
  idempotency_mismatch: {
    status: 422,
    title: "The Idempotency-Key was used with another request",
    hint: "Use a new key (a new `call_id` of a tool's call) for a new request; repeat one only with the same body.",
  },
  body_too_large: {
    status: 413,
    title: "The body is over 16 MiB",
    hint: "Append a large context in several calls of /context.",
  },
  instructions_too_large: {
    status: 413,
    title: "Instructions are over 128 KiB",
    hint: "Put what the tasks share into the context and fork it.",
  },
  result_too_large: {
    status: 413,
    title: "The result is over 1 MiB",
    hint: "Store it elsewhere and return a reference.",
  },
  message_too_large: {
    status: 413,
    title: "The message is over 1 MiB",
    hint: "Send a link or a shorter text; a shared_memory takes long texts that the task can read in parts.",
  },
  context_too_large: {
    status: 413,
    title: "The context would be over 14 MiB",
    hint: "Fork with {last: n} or from an earlier snapshot.",
  },
  call_too_large: {
    status: 413,
    title: "The request, or what it is answered with, is over 32 MiB where it is passed on inside Heddle",
    hint: "Ask for fewer rows at once (`limit`), or send less in one request; of texts with characters beyond Latin-1 half as much fits.",
  },
  tools_too_large: {
    status: 413,
    title: "The run's tools are over 256 KiB",
    hint: "They are sent with each model request: shorten descriptions and schemas.",
  },
  open_calls: {
    status: 409,
    title: "The snapshot ends in tool calls that nobody has answered",
    hint: "Send the `call_id` of one of these calls, or fork from a snapshot before the reply.",
  },
  lease_lost: {
    status: 409,
    title: "The lease is not, or no longer, valid",
    hint: "Stop working on the task: it was finished, cancelled or given to another worker. Lease again.",
  },
  lease_of_tool_call: {
    status: 422,
    title: "The lease is a tool call's, not a task's",
    hint: "A tool call's lease takes renew, complete and fail; it has no turns and calls no tools.",
  },
  max_tokens: {
    status: 409,
    title: "The task has used all of its tokens",
    hint: "Stop working on the task: it has failed with `max_tokens`, and this turn was not logged, though its usage counts. Give the next one a higher `max_tokens`, or less to do.",
  },
  run_ended: {
    status: 409,
    title: "The run has ended",
    hint: "Read it, retry one of its tasks to reopen it, or create a new run.",
  },
  run_paused: { status: 409, title: "The run is paused", hint: "POST …/resume first." },
  run_not_paused: { status: 409, title: "The run is not paused", hint: "Only a paused run can be resumed." },
  tasks_live: {
    status: 409,
    title: "Tasks of the run are still live",
    hint: 'Wait for them, or send {"cancel": true}.',
  },
  final_turn: {
    status: 409,
    title: "The task had said its last word with that turn",
    hint: "Retry from an earlier turn, or from the start: then the model is asked again.",
  },
  task_not_ended: {
    status: 409,
    title: "The task has not ended",
    hint: "Only an ended task can be retried; cancel it first.",
  },
  stands_in: {
    status: 409,
    title: "A fallback or a compensation is not retried alone",
    hint: "Retry the task that it stands in for (its `parent`).",
  },
  question_closed: {
    status: 409,
    title: "The question is not open",
    hint: "Somebody answered it, its task goes on without, or others wait before it at the queue: nothing was done. GET …/questions lists those that are open.",
  },
  task_ended: {
    status: 409,
    title: "The task has ended, or its own work is done",
    hint: "Read its result; retry it, or create a task for what is to be done now.",
  },
  below_spent: {
    status: 422,
    title: "The budget is below what is spent",
    hint: "Give a total of at least `usage.tokens`, or `usage.cost_usd`.",
  },
  no_price: {
    status: 422,
    title: "Under a budget in money, a model without a price",
    hint: "Name a model that has one, add its price to HEDDLE_PRICES or the tenant's prices, or leave limits.usd out (docs/costs.md).",
  },
  unknown_task: {
    status: 422,
    title: "A named task does not exist",
    hint: "Name a task of this batch, of the same creator or of its ancestors, by key or id.",
  },
  unknown_snapshot: {
    status: 422,
    title: "A named snapshot does not exist in this run",
    hint: "Use a hash that this run has returned.",
  },
  unknown_turn: {
    status: 422,
    title: "A named turn does not exist",
    hint: "Use a number that the task's list of turns (GET …/turns) has.",
  },
  duplicate_key: {
    status: 422,
    title: "A key is used twice",
    hint: "Keys are unique among the tasks of one creator; rename one.",
  },
  dependency_cycle: {
    status: 422,
    title: "The dependencies form a cycle",
    hint: "`detail` names the cycle; remove one of its edges. A parent waits for its own children.",
  },
  ancestor_dependency: {
    status: 422,
    title: "A task can't wait for its own ancestor",
    hint: "The ancestor ends only after its children; give the child what it needs in `context`.",
  },
  rules_invalid: {
    status: 422,
    title: "A bullet of the rules is no rule",
    hint: "`errors` has a line for each, with what was probably meant; docs/rules.md has every form. Nothing of the rules was taken.",
  },
  bound_by_rules: {
    status: 422,
    title: "A rule allows less",
    hint: "Replace the rules that `detail` names first: the run's (PUT …/rules), or the tenant's (PUT /v1/rules). The deployment's are its operator's.",
  },
  limit_tasks: {
    status: 422,
    title: "The run's task limit would be passed",
    hint: "Create fewer tasks, or raise `limits.tasks` of the next run; where `detail` names a rule, replace that.",
  },
  limit_depth: {
    status: 422,
    title: "The run's depth limit would be passed",
    hint: "Do the work in this task instead of forking again.",
  },
  limit_children: {
    status: 422,
    title: "The task's limit of children would be passed",
    hint: "Create fewer, larger tasks.",
  },
  import_invalid: {
    status: 422,
    title: "The file is not a run's export, or was changed",
    hint: "`detail` names the line. Export the run again; nothing of this file was kept.",
  },
  import_gap: {
    status: 409,
    title: "Lines of the file are missing before these",
    hint: "Send the file from the line that `detail` names on; what is there already is skipped.",
  },
  import_too_large: {
    status: 413,
    title: "The file, or one of its lines, is too large",
    hint: "A file has at most 1 GiB, and a line 8 MiB; send it in requests of at most 16 MiB.",
  },
  log_too_long: {
    status: 422,
    title: "The run's log is too long to be folded in one request",
    hint: "Read `…/events` in pages, or `…/trace`, which is streamed.",
  },
  run_changing: {
    status: 409,
    title: "The run is too large to be exported while it goes on",
    hint: "Pause it, wait until `counts.running` is 0, and export it again.",
  },
  limit_actors: {
    status: 422,
    title: "The run has as many live sessions as it may",
    hint: "Close those that are done with DELETE …/actors/:actor, or let them run out.",
  },
  pool_not_allowed: {
    status: 422,
    title: "The pool is not allowed here",
    hint: "A task may use its own pool and those in `limits.pools`.",
  },
  no_provider: {
    status: 422,
    title: "No model provider is configured for this format",
    hint: "Set ANTHROPIC_API_KEY or OPENAI_API_KEY as a secret of the deployment.",
  },
  too_many_requests: {
    status: 429,
    title: "Too many requests",
    hint: "Wait for `retry-after` seconds.",
    retryable: true,
  },
  quota_exceeded: {
    status: 429,
    title: "A quota of the tenant is used up",
    hint: "`detail` names the quota. Wait for `retry-after` seconds, end what is not needed, or ask the operator for more.",
    retryable: true,
  },
  too_slow: {
    status: 408,
    title: "The watcher did not keep up",
    hint: "Connect again with `after`, the last event that you have; acknowledge what you have read.",
    retryable: true,
  },
  too_many_messages: {
    status: 429,
    title: "Too many messages wait for the task's next turn",
    hint: "Wait until its `pending_messages` are fewer; many small ones can be sent as one.",
    retryable: true,
  },
  overloaded: {
    status: 503,
    title: "Overloaded",
    hint: "Wait for `retry-after` seconds and repeat; with the same Idempotency-Key nothing is done twice.",
    retryable: true,
  },
  not_configured: {
    status: 501,
    title: "This deployment is not set up for that",
    hint: "Its operator sets what `detail` names (docs/operating.md).",
  },
  not_ready: {
    status: 503,
    title: "Not ready to serve",
    hint: "Apply the migrations and set the secrets; `detail` names what is missing.",
    retryable: true,
  },
  storage_newer: {
    status: 503,
    title: "A newer version of Heddle wrote this, and the one that is deployed can't read it",
    hint: "Deploy the newer version again: nothing was changed, and everything goes on, this request too. Runs that it never touched work meanwhile.",
    retryable: true,
  },
  internal: {
    status: 500,
    title: "A fault of Heddle",
    hint: "Repeat with the same Idempotency-Key; if it stays, report `instance`.",
    retryable: true,
  },
} as const satisfies Record<string, Problem>;

export type ProblemCode = keyof typeof problems;

/** Errors that an agent's tool call is answered with; written so that a model can act on them. */
const toolErrorHints = {
  bad_arguments: "Correct the arguments that `message` names and call again.",
  unknown_tool: "Heddle does not have this tool, and the run declares none of that name; go on without it.",
  would_deadlock: "Don't wait for yourself, an ancestor, or a task that waits for you; finish your own work instead.",
  deadlock_victim: "Go on without these tasks, or finish so that they can.",
  quota_exceeded: "There is no room for more tasks: do the work yourself, or finish with what there is.",
  not_descendant: "Only tasks that you created, and theirs, can be cancelled.",
  unknown_task: "Name a task by the id or key that create_task returned.",
  timed_out: "What you waited for did not happen in time: wait again, or do something that does not need it.",
  tool_failed: "The tool could not be carried out: do without it, or call it with other arguments.",
  tool_timed_out: "Nobody carried it out in time: go on without it, or call it again if it can wait.",
  tool_error: "The tool was carried out and says that this is an error; `result` is what it said.",
  too_many_calls: "Wait for the calls that are open, then call again.",
  unknown_result: "Name a result as it was shown where it was cut.",
  new_messages: "The messages stand below: read them, do what they ask, and then finish again.",
  not_a_task: "finish ends the current task; here no task is running.",
} as const;

/** What an op on a shared variable is answered with when it can't be done; nothing of it is done. */
export const variableErrorHints = {
  kind_mismatch:
    "Use it as the kind that `message` names, or take another name: a variable keeps the kind of its first use.",
  unknown_op: "Use one of the ops that `message` names.",
  bad_name:
    "Names have 1 to 200 characters and neither control characters nor spaces at an end; use letters, digits and -_./: to be safe.",
  value_too_large:
    "Store less in one value: split it over several keys or items, or use a shared_memory for long text.",
  version_mismatch: "Somebody wrote in between: read again, decide anew, and write with the version that you then see.",
  not_a_number: "Set it to a number first.",
  not_exact:
    "Count in a larger unit; or keep the number as text, and write the new text only over the one you have read (compare_and_set, or set with if_version).",
  index_out_of_range: "Use an index below `size`; append adds at the end.",
  edit_no_match: "Read the text again; `old` must stand in it exactly, spaces and line ends included.",
  edit_not_unique: "Give more of the surrounding text in `old`, so that it occurs once.",
  stale_fence: "You no longer hold that lock, or never did: acquire it again and use the token of that grant.",
  unknown_variable: "Variables come to be at their first use; check the name.",
  stale_call: "The task has gone on since this call: its first outcome is no longer kept, and nothing was done again.",
  already_held: "Go on with the token that you have; release the lock first to take it in another mode.",
  holds_locks: "Release the lock that `message` names first, or acquire all that you need together with `names`.",
  not_holder: "Only the hold's own task releases it, once, and by its own token; there is nothing to release here.",
  declined:
    "The answer is no: do without it, or finish and say what would have been needed. `reason` says why, if anybody did.",
  superseded: "A later call of yours waits for the lock in place of this one; see its answer.",
  needs_actor:
    "POST …/actors gives a session that may hold and wait; send its id as `actor`. What it holds is released when it ends.",
  not_created: "create {permits} first, once, before the tasks that use it.",
  already_created: "Use it as it is, or take another name: the number stays what the first create said.",
  over_capacity: "Ask for at most the number that `message` names.",
  queue_closed: "Nothing more can be pushed: whoever closed it is done. Go on, or use another queue.",
  queue_full: "Pop first, or let a task push: a task waits until there is room.",
  parties_mismatch: "Wait with the number of parties that the others gave, or use another barrier.",
  barrier_broken:
    "The others were told too. Arrive again for a new generation, with the parties that are left, or go on without.",
  already_settled: "A future is given its value once; peek shows it. Use another future for another value.",
  too_many_variables: "Use keys of one shared_map in place of many variables.",
  collection_full: "Start another variable, or delete what is no longer needed.",
} as const;

/** What the ready-made tools of `heddle tools --workspace` answer when they can't do what was asked. */
export const workspaceErrorHints = {
  bad_arguments: "Correct the arguments that `message` names and call again.",
  outside_workspace:
    "Give a path below the workspace, relative to it and without `..`; list_files shows what there is. Nothing else can be reached.",
  not_there: "Look with list_files or search, and use a path as they show it.",
  not_a_file: "Use the path of a file; list_files shows those below a folder.",
  not_permitted: "Do without it; if it is needed, say so in your result.",
  file_too_large: "Search in it, or work on a smaller file.",
  binary_file: "Only text can be read and edited; do without it.",
  edit_no_match: "Read the file again; `old` must stand in it exactly, spaces and line ends included.",
  edit_not_unique: "Give more of the surrounding text in `old`, so that it occurs once.",
  bad_pattern: "Correct the regular expression, or pass literal: true to search for the text as it is.",
  search_timed_out: "Simplify the pattern, pass literal: true, or search below a narrower path.",
  commands_not_allowed: "Do without the command; if it is needed, say in your result what should be run.",
  command_not_found: "Use a program that is installed; the message names the one that is not.",
  no_such_tool: "This worker does not have the tool; do without it.",
} as const;

export type WorkspaceErrorCode = keyof typeof workspaceErrorHints;

export type VariableErrorCode = keyof typeof variableErrorHints;

export type ToolErrorCode = keyof typeof toolHints;

/** What to do about an error that a tool call is answered with. */
export const toolHints = { ...toolErrorHints, ...variableErrorHints };

/** An error that a tool call is answered with. */
export const toolErrorOf = <Code extends ToolErrorCode>(code: Code, message: string) => ({
  code,
  message,
  hint: toolHints[code],
});
