/**
 * The ready-made tools of `heddle tools --workspace`: files below one folder, and commands where the user allows them.
 *
 * K1  No tool reads or writes a file outside the folder (paths.ts); a command can, as it runs with the user's rights.
 * K2  Whatever the arguments are there is an answer; what can't be done is one that a model can act on.
 * K3  Changes of one file are made one after another, each on what the one before has left.
 * K4  A call that changes something and was answered is not done again here: its answer is kept under its idempotency key.
 */

import type { ToolCallView } from "../../../client/replies.ts";
import {
  callAnswersMax,
  commandSpareMs,
  commandTimeoutMsDefault,
  commandTimeoutMsMax,
  listFilesDefault,
  listFilesMax,
  searchMatchesDefault,
  searchMatchesMax,
} from "../../../limits.ts";
import type { Execution, Telling } from "../../worker/execution.ts";
import { Guard } from "../../worker/guard.ts";
import { givenBack, resultVerdict, type Verdict } from "../../worker/verdict.ts";
import type { Carrier } from "../carrier.ts";
import { programOf } from "./allowance.ts";
import { Arguments } from "./arguments.ts";
import type { WorkspaceRights } from "./declarations.ts";
import { edited } from "./edit.ts";
import { readText, writeText } from "./files.ts";
import { partOf } from "./lines.ts";
import { type Looked, look } from "./look.ts";
import { type Place, WorkspacePaths } from "./paths.ts";
import { Refusal, refused } from "./refusal.ts";
import { runCommand } from "./run-command.ts";

interface Running {
  readonly call: ToolCallView;
  readonly telling: Telling;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
}

/** A result that is an error. */
class ErrorResult {
  readonly result: unknown;
  constructor(result: unknown) {
    this.result = result;
  }
}

const lineNumberMax = 1_000_000_000;
const changing = new Set(["write_file", "edit_file", "run_command"]);

export const workspaceTools = ["read_file", "list_files", "search", "write_file", "edit_file", "run_command"] as const;

export class Workspace implements Carrier {
  readonly #paths: WorkspacePaths;
  readonly #rights: WorkspaceRights;
  /** The newest change of each file that is being changed. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Of calls that change something: the newest, those under way among them. */
  readonly #answers = new Map<string, Promise<Verdict>>();
  /** Executions that a process which ends now has to kill. */
  readonly #killing = new Set<AbortController>();
  /** Of the commands; there is none before the first of them. */
  #guard: Guard | undefined;

  /** @throws Error when the folder is none */
  constructor(folder: string, rights: WorkspaceRights) {
    this.#paths = new WorkspacePaths(folder);
    this.#rights = rights;
  }

  get root(): string {
    return this.#paths.root;
  }

  start(call: ToolCallView, telling: Telling): Execution {
    const stopping = new AbortController();
    const killing = new AbortController();
    this.#killing.add(killing);
    const running = { call, telling, stop: stopping.signal, kill: killing.signal };
    const verdict = this.#carryOut(running).finally(() => this.#killing.delete(killing));
    const kill = () => {
      stopping.abort();
      killing.abort();
    };
    return { verdict, stop: () => stopping.abort(), kill };
  }

  /** For a process that ends now. */
  kill(): void {
    for (const killing of this.#killing) killing.abort();
  }

  async #carryOut(running: Running): Promise<Verdict> {
    const { call, stop } = running;
    const before = this.#answers.get(call.idempotency_key);
    if (before) return before;
    const answer = this.#verdict(running);
    // A file's change is not stopped half-way, so who asks again meanwhile waits for it; a stopped command is run again.
    if (call.tool === "write_file" || call.tool === "edit_file") this.#remember(call.idempotency_key, answer);
    const verdict = await answer;
    if (!verdict.ok) this.#answers.delete(call.idempotency_key);
    if (stop.aborted) return givenBack;
    if (call.tool === "run_command") this.#remember(call.idempotency_key, answer);
    return verdict;
  }

  async #verdict(running: Running): Promise<Verdict> {
    try {
      const result = await this.#result(running);
      return result instanceof ErrorResult ? resultVerdict(result.result, true) : resultVerdict(result);
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      const message = `The worker could not carry it out: ${(error as Error).message}`;
      return { ok: false, error: { code: "worker_failed", message }, retryable: true };
    }
  }

  #remember(key: string, answer: Promise<Verdict>): void {
    this.#answers.set(key, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > callAnswersMax) this.#answers.delete(oldest!);
  }

  #result(running: Running): Promise<unknown> {
    const { tool, arguments: args } = running.call;
    if (this.#rights.readOnly && changing.has(tool))
      throw new Refusal("not_permitted", `this worker only reads: it has no ${tool}`);
    switch (tool) {
      case "read_file":
        return this.#readFile(new Arguments(args, ["path", "from_line", "to_line"]));
      case "list_files":
        return this.#listFiles(new Arguments(args, ["path", "glob", "limit"]), running.stop);
      case "search":
        return this.#search(new Arguments(args, ["pattern", "path", "literal", "limit"]), running.stop);
      case "write_file":
        return this.#writeFile(new Arguments(args, ["path", "content"]));
      case "edit_file":
        return this.#editFile(new Arguments(args, ["path", "old", "new"]));
      case "run_command":
        return this.#runCommand(new Arguments(args, ["command", "timeout_ms", "cwd"]), running);
      default:
        throw new Refusal("no_such_tool", `there is no ${tool}; there are ${workspaceTools.join(", ")}`);
    }
  }

  // ---- the tools -----------------------------------------------------------------------------------------------------

  async #readFile(args: Arguments): Promise<unknown> {
    const bounds = { min: 1, max: lineNumberMax };
    const [from, to] = [args.wholeNumber("from_line", bounds), args.wholeNumber("to_line", bounds)];
    const place = await this.#paths.resolve(args.text("path"));
    return { path: place.shown, ...partOf(await readText(this.#paths, place), from, to) };
  }

  async #writeFile(args: Arguments): Promise<unknown> {
    const content = args.text("content");
    const place = await this.#paths.resolve(args.text("path"));
    return this.#changing(place, async () => {
      const now = await this.#paths.resolve(place.shown);
      const bytes = await writeText(this.#paths, now, content);
      return { path: now.shown, bytes, created: !now.exists };
    });
  }

  async #editFile(args: Arguments): Promise<unknown> {
    const [old, replacement] = [args.text("old"), args.text("new")];
    const place = await this.#paths.resolve(args.text("path"));
    return this.#changing(place, async () => {
      const before = await readText(this.#paths, place);
      const after = edited(before, old, replacement, place.shown);
      await writeText(this.#paths, place, after);
      return { path: place.shown, line: before.slice(0, before.indexOf(old)).split("\n").length };
    });
  }

  async #listFiles(args: Arguments, stop: AbortSignal): Promise<unknown> {
    const limit = args.wholeNumber("limit", { min: 1, max: listFilesMax }) ?? listFilesDefault;
    const glob = args.optionalText("glob");
    const { path, shown } = await this.#there(args.optionalText("path"));
    const looked = await look(
      { start: path, shown: shown === "." ? "" : shown, limit, ...(glob !== undefined && { glob }) },
      stop,
    );
    if (looked.refused) throw new Refusal(looked.refused.code, looked.refused.message);
    return { files: looked.found.map((file) => file.path), ...cutNote(looked, limit) };
  }

  async #search(args: Arguments, stop: AbortSignal): Promise<unknown> {
    const limit = args.wholeNumber("limit", { min: 1, max: searchMatchesMax }) ?? searchMatchesDefault;
    const search = { pattern: args.text("pattern"), literal: args.flag("literal") };
    if (search.pattern === "") throw new Refusal("bad_arguments", "pattern: is empty");
    const { path, shown } = await this.#there(args.optionalText("path"));
    const looked = await look({ start: path, shown: shown === "." ? "" : shown, limit, search }, stop);
    if (looked.refused) throw new Refusal(looked.refused.code, looked.refused.message);
    if (looked.cut === "time" && looked.found.length === 0)
      throw new Refusal("search_timed_out", "nothing was found before the time for a search was over");
    const { skipped } = looked;
    return { matches: looked.found, ...cutNote(looked, limit), ...(skipped > 0 && { skipped_files: skipped }) };
  }

  async #runCommand(args: Arguments, { call, telling, stop, kill }: Running): Promise<unknown> {
    const program = programOf(args.text("command"), this.#rights.commands);
    const asked = args.wholeNumber("timeout_ms", { min: 1, max: commandTimeoutMsMax }) ?? commandTimeoutMsDefault;
    const { path: cwd } = await this.#there(args.optionalText("cwd"));
    const timeoutMs = Math.max(1, Math.min(asked, call.timeout_at - Date.now() - commandSpareMs));
    const progress = (report: { message: string }) => telling.progress(report);
    this.#guard ??= new Guard();
    const ran = await runCommand(program, { cwd, timeoutMs, stop, kill, guard: this.#guard, progress });
    return ran.timed_out ? new ErrorResult({ ...ran, timeout_ms: timeoutMs }) : ran;
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  /** The place of a folder or file that has to be there; the workspace itself by default. */
  async #there(path = "."): Promise<Place> {
    const place = await this.#paths.resolve(path);
    if (!place.exists) throw new Refusal("not_there", `there is no ${place.shown}`);
    return place;
  }

  /** Does `work` when the changes of the same file before it are done (K3). */
  async #changing<Result>({ path }: Place, work: () => Promise<Result>): Promise<Result> {
    const before = this.#changes.get(path);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.#changes.set(path, mine);
    try {
      return await mine;
    } finally {
      if (this.#changes.get(path) === mine) this.#changes.delete(path);
    }
  }
}

const cutNote = ({ cut }: Looked, limit: number) =>
  cut === undefined
    ? {}
    : {
        truncated: true,
        note:
          cut === "limit"
            ? `These are the first ${limit}; there are more.`
            : "The time for looking was over; there may be more.",
      };
