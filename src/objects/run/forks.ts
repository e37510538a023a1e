/** Which snapshot a new task forks, and through which call (DESIGN §4 `fork`, §5 fork returns twice), on which model. */

import { openCalls, roleOf } from "../../context/calls.ts";
import { cutLast, systemMessagesOf } from "../../context/fork.ts";
import type { MessageText, ToolCall } from "../../context/types.ts";
import type { StandInSpec, TaskSpec } from "../../contract/task-spec.ts";
import { isToolName } from "../../contract/tools.ts";
import type { FaultData } from "../../errors/fault.ts";
import { noteNamesMax } from "../../limits.ts";
import type { NewStandIn, NewTask } from "../../scheduler/new-task.ts";
import { hostedPool, type Task } from "../../scheduler/task.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";
import { AutoForks } from "./auto-forks.ts";
import { specOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { TaskModel } from "./models.ts";
import { ownMessagesFault } from "./own-messages.ts";
import { lineageTerms, prefixTokens, tokensOf } from "./prefixes.ts";
import { isAnother, modelNamed } from "./relocation.ts";
import { refuse } from "./replies.ts";
import { withRuledModel } from "./rules.ts";

/** The unanswered calls that the transcript of a snapshot ends in. Reads only the end of the path. */
export function openCallsOf(tree: ContextTree, hash: string): readonly ToolCall[] {
  const tail: MessageText[] = [];
  for (const message of tree.newestFirst(hash)) {
    tail.push(message);
    if (roleOf(message) === "assistant") break;
  }
  return openCalls(tree.head(hash).format, tail.reverse());
}

/** A new task with what its first call is expected to be. */
export interface ForkedTask extends NewTask {
  /** The model that Heddle will call; undefined for tasks of pull workers, and where no provider is configured. */
  readonly model: TaskModel | undefined;
  /** Tokens of the forked context, and those of them that no cache has. */
  readonly prefix: number;
  readonly cold: number;
}

export type ForkedTasks =
  | { readonly ok: true; readonly tasks: ForkedTask[]; readonly notes: string[] }
  | { readonly ok: false; readonly fault: FaultData };

export interface Forker {
  /** What is forked unless a task says otherwise. */
  readonly base: string;
  /** The tool call of `base` that creates the tasks, if one does. */
  readonly callId: string | undefined;
  readonly creator: Task | undefined;
  /** The task is the run's hosted main agent. */
  readonly root?: true;
}

const onlyAnswer =
  "The context's own list of tools has none of Heddle's, and forks keep it as it is: these tasks can call none of them, and only answer. Give the list with Heddle's tools (GET /v1/tools), or none, when the run is created.";

/** `tools`: JSON text of a vendor's list. */
function hasHeddlesTools(tools: string): boolean {
  const list = JSON.parse(tools) as readonly ({ name?: unknown; function?: { name?: unknown } } | null)[];
  return list.some((tool) => {
    const name = tool?.function?.name ?? tool?.name;
    return typeof name === "string" && isToolName(name);
  });
}

/** Points each spec at its snapshot. */
export function forkAll(run: LoadedRun, forker: Forker, specs: readonly TaskSpec[]): ForkedTasks {
  const tasks: ForkedTask[] = [];
  const notes = new Set<string>();
  const { tree } = run.store;
  const { model, tools } = tree.head(forker.base);
  const author = forker.creator ? modelNamed(run, forker.creator) : model;
  const auto = new AutoForks(tree, forker.base, specs.filter(({ fork }) => fork === "auto").length);
  const unpriced = new Set<string>();
  const ends = new Ends(tree);
  for (const [i, given] of specs.entries()) {
    const { spec, note } = withRuledModel(run.state, given, forker);
    for (const one of [note, cutTimeNote(run, forker, spec)]) if (one !== undefined) notes.add(one);
    const used = modelOf(run, forker, spec);
    const warm = warmPrefix(run, forker, used);
    const asked = spec.fork === "auto" ? auto.choose(spec, used, warm) : { spec };
    const forked = forkOne(tree, ends, forker, asked.spec, `tasks[${i}].fork`);
    if ("code" in forked) return refuse(forked);
    const unfit = ownMessagesFault(tree, forked, spec, `${forker.root ? "root" : `tasks[${i}]`}.context`);
    if (unfit) return refuse(unfit);
    const named = used?.model ?? spec.model ?? model;
    if (isAnother(named, author)) {
      notes.add(
        `A task with model "${named}" is a relocated fork: reasoning blocks are left out and the cache is cold.`,
      );
    }
    const { base } = forked;
    const prefix = prefixTokens(tree, base);
    const cold = base === forker.base ? Math.min(prefix, warm ?? prefix) : prefix;
    const lineage = used && lineageTerms(tree, base, used, { tokens: prefix, cold });
    if (used && !used.found) unpriced.add(used.model);
    const standIn = spec.on_failure && standInFor(run, ends, forker, { ...asked.spec, on_failure: spec.on_failure }, i);
    if (standIn && "code" in standIn) return refuse(standIn);
    if (standIn?.unpriced !== undefined) unpriced.add(standIn.unpriced);
    tasks.push({
      ...forked,
      spec,
      ...(standIn && { standIn }),
      ...("why" in asked && { forkWhy: asked.why }),
      ...(lineage && { lineage }),
      ...(used && !used.found && { unpriced: used.model }),
      model: used,
      prefix,
      cold,
    });
  }
  const isHosted = ({ spec }: ForkedTask) => (spec.pool ?? forker.creator?.pool ?? hostedPool) === hostedPool;
  if (tools !== undefined && tasks.some(isHosted) && !hasHeddlesTools(tools)) notes.add(onlyAnswer);
  if (unpriced.size > 0) {
    const names = [...unpriced].slice(0, noteNamesMax).map((name) => `"${name}"`);
    notes.add(
      `Nobody knows what ${names.join(", ")} costs: costs are null. HEDDLE_PRICES, or the tenant's prices, can say it.`,
    );
  }
  return { ok: true, tasks, notes: [...notes, ...auto.notes()] };
}

/** A task that waits for a person longer than a day would end of a time that nobody has seen. */
function cutTimeNote(run: LoadedRun, { creator }: Forker, { timeout_ms: wanted = 0 }: TaskSpec): string | undefined {
  const { timeoutMs } = run.state.header.limits;
  const most = Math.min(timeoutMs, creator?.timeoutMs ?? timeoutMs);
  if (wanted <= most) return undefined;
  const whose =
    most === timeoutMs ? "limits.timeout_ms of the run, set when it is created" : "that of the task that creates it";
  return `timeout_ms ${wanted} is cut to ${most}: ${whose}.`;
}

/** What its `on_failure` forks: what it does not say is as the task has it. */
function standInFor(
  run: LoadedRun,
  ends: Ends,
  forker: Forker,
  { on_failure: { task: own }, fork, model, pool }: TaskSpec & { readonly on_failure: { task: StandInSpec } },
  place: number,
): (NewStandIn & { unpriced?: string }) | FaultData {
  const spec = { fork, model, pool, ...own };
  const forked = forkOne(run.store.tree, ends, forker, spec, `tasks[${place}].on_failure.task.fork`);
  if ("code" in forked) return forked;
  const used = modelOf(run, forker, spec);
  return { ...forked, spec, ...(used && !used.found && { unpriced: used.model }) };
}

/** The model that a hosted task's seat will call. */
function modelOf(
  run: LoadedRun,
  { base, creator }: Forker,
  spec: Pick<TaskSpec, "pool" | "model">,
): TaskModel | undefined {
  if ((spec.pool ?? creator?.pool ?? hostedPool) !== hostedPool) return undefined;
  const { format, model } = run.store.tree.head(base);
  return run.models.hosted(format, run.state.header.credential, spec.model, model);
}

/**
 * Tokens of `base` that are still to be cached where a hosted task forks itself: its own request has just cached all but
 * the reply. Undefined: all are, for nobody knows what an agent outside has cached.
 */
function warmPrefix(
  run: LoadedRun,
  { base, callId, creator }: Forker,
  used: TaskModel | undefined,
): number | undefined {
  if (!used || callId === undefined || creator?.pool !== hostedPool) return undefined;
  const { tree } = run.store;
  const { format, model } = tree.head(base);
  const own = run.models.hosted(format, run.state.header.credential, specOf(run, creator).model, model);
  return own?.model === used.model ? tokensOf(tree.last(base)?.length ?? 0) : undefined;
}

/** What a transcript ends in. */
interface End {
  readonly open: readonly ToolCall[];
  readonly isReply: boolean;
}

/** Snapshots' ends, and heads, each looked up once: a batch forks few, and a message of one may be all of a large context. */
class Ends {
  readonly #tree: ContextTree;
  readonly #ends = new Map<string, End>();
  readonly #bare = new Map<string, string>();

  constructor(tree: ContextTree) {
    this.#tree = tree;
  }

  of(hash: string): End {
    let end = this.#ends.get(hash);
    if (!end) {
      const isReply = roleOf(this.#tree.last(hash) ?? "{}") === "assistant";
      end = { open: openCallsOf(this.#tree, hash), isReply };
      this.#ends.set(hash, end);
    }
    return end;
  }

  /** The snapshot of its head alone. Of OpenAI's format the system text is a message, and no part of what is left out. */
  bare(hash: string): string {
    const tree = this.#tree;
    const { root } = tree.node(hash);
    const { format } = tree.head(hash);
    if (format !== "openai") return root;
    let bare = this.#bare.get(hash);
    if (bare === undefined) {
      const system = systemMessagesOf(format, tree.messages(hash) ?? []);
      bare = system.length === 0 ? root : tree.append(root, system);
      this.#bare.set(hash, bare);
    }
    return bare;
  }
}

/** Where a task's context begins. */
type Forked = Pick<NewTask, "base" | "fork" | "call">;

function forkOne(
  tree: ContextTree,
  ends: Ends,
  { base, callId }: Forker,
  spec: Pick<TaskSpec, "fork">,
  path: string,
): Forked | FaultData {
  const { fork = "full" } = spec;
  if (fork === "none") return { base: ends.bare(base), fork: "none" };
  let from = base;
  let mode = "full";
  if (typeof fork === "object" && "snapshot" in fork) {
    if (!tree.find(fork.snapshot)) {
      return {
        code: "unknown_snapshot",
        detail: `This run has no snapshot ${fork.snapshot}.`,
        errors: [{ path, message: "unknown" }],
      };
    }
    from = fork.snapshot;
    mode = "snapshot";
  }
  if (typeof fork === "object" && "last" in fork) {
    const { format } = tree.head(base);
    const whole = tree.messages(base) ?? [];
    const cut = cutLast(format, whole, fork.last);
    from = cut.length === whole.length ? base : tree.append(tree.node(base).root, cut);
    mode = `last ${fork.last}`;
  }
  const { open, isReply } = ends.of(from);
  if (open.length === 0) return { base: from, fork: mode };
  if (isReply && open.some((call) => call.id === callId)) return { base: from, fork: mode, call: callId! };
  return {
    code: "open_calls",
    detail: `The snapshot ends in the calls ${open.map((call) => call.id).join(", ")}${callId === undefined ? "" : `, and "${callId}" is none of them`}.`,
    errors: [{ path, message: from }],
  };
}
