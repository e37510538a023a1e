/**
 * A task, carried out by a harness: one start of it, and a second one that goes on with its session where its answer is not what
 * the task asks for.
 *
 * H1  The task's texts stand on no command line, and name no file to it that it would read unasked; the lease's token stands in a
 *     file of this user's and in the environment alone.
 * H2  Its work in a worktree is merged only when it succeeded, and while its lease is held.
 * H3  A task whose parent this worker carried out begins with a copy of the parent's session, as it then is. Where the harness can't
 *     copy it (it is gone, or another folder's), nothing has been done yet, and the task begins anew with its context as text.
 */

import type { Lease } from "../../../client/replies.ts";
import { harnessLineBytesMax, harnessProgressCharsMax } from "../../../limits.ts";
import { oneLine } from "../../plain-text.ts";
import { Command, type CommandEnd } from "../command.ts";
import type { CommandFiles, CommandFolder } from "../command-files.ts";
import type { Execution, Telling } from "../execution.ts";
import { LineReader } from "../line-reader.ts";
import { ReportFile } from "../load/report-file.ts";
import type { TaskInput } from "../task-work.ts";
import { givenBack, resultVerdict, type Verdict } from "../verdict.ts";
import { answerOf } from "./answer.ts";
import { commandLine, environmentOf, type Filling, mcpFileText } from "./command-line.ts";
import { failureIn, failureVerdict, pauseOf } from "./outcome.ts";
import type { ParentSessions } from "./parent-sessions.ts";
import { complaintPrompt, promptOf, withoutMentions } from "./prompt.ts";
import { readerOf } from "./readers.ts";
import { addUsage, type HarnessUsage, type Reader, type Reading, reportable } from "./reading.ts";
import type { Recipe } from "./recipes.ts";
import type { Landing, Worktree, Worktrees } from "./worktrees.ts";

export interface HarnessSettings {
  readonly recipe: Recipe;
  readonly url: string;
  readonly extra: readonly string[];
  /** Each task begins with a copy of this session. */
  readonly session: string | undefined;
  readonly sessions: ParentSessions;
  readonly worktrees: Worktrees | undefined;
  readonly folder: CommandFolder;
  /** Throws when the lease is lost. */
  readonly confirm: (lease: string) => Promise<unknown>;
  readonly say: (text: string) => void;
  /** What the harness does now; as often as it tells. */
  readonly doing: (lease: Lease, text: string) => void;
}

export class HarnessExecution implements Execution {
  readonly verdict: Promise<Verdict>;
  readonly #settings: HarnessSettings;
  readonly #lease: Lease;
  readonly #telling: Telling;
  #command: Command | undefined;
  #stopped = false;
  #usage: HarnessUsage | undefined;
  #turns = 0;
  #doing = "";

  constructor(settings: HarnessSettings, lease: Lease, input: () => Promise<TaskInput>, telling: Telling) {
    this.#settings = settings;
    this.#lease = lease;
    this.#telling = telling;
    this.verdict = this.#run(input).catch((error: Error) => ({
      ok: false,
      error: { code: "worker_failed", message: `The worker could not run ${settings.recipe.title}: ${error.message}` },
      retryable: true,
    }));
  }

  stop(): void {
    this.#stopped = true;
    this.#command?.stop();
  }

  kill(): void {
    this.#stopped = true;
    this.#command?.kill();
  }

  async #run(input: () => Promise<TaskInput>): Promise<Verdict> {
    const { worktrees } = this.#settings;
    const { task } = this.#lease;
    const given = await input();
    if (this.#stopped) return givenBack;
    const worktree = await worktrees?.open(`${task.id}.${task.generation}.${task.attempt}`);
    let verdict: Verdict = givenBack;
    try {
      verdict = await this.#carryOut(given, worktree);
    } finally {
      if (worktree) verdict = await this.#land(worktree, verdict);
    }
    return this.#usage ? { ...verdict, usage: reportable(this.#usage) } : verdict;
  }

  async #carryOut(given: TaskInput, worktree: Worktree | undefined): Promise<Verdict> {
    const { recipe, folder, url } = this.#settings;
    const { task, id } = this.#lease;
    const mcpText = mcpFileText(recipe, url, id);
    const files = await folder.write({ ...given.files, ...(mcpText !== undefined && { HEDDLE_MCP_FILE: mcpText }) });
    try {
      const { output_schema: outputSchema } = task;
      const attempt = { given, files, worktree };
      const first = await this.#begin(attempt);
      if (!first.ok) return first.verdict;
      const answer = answerOf(first.text, outputSchema);
      if (answer.ok) return resultVerdict(answer.value);
      if (first.session === undefined) return invalid(answer.complaint);
      const again = { id: first.session, how: "go_on" } as const;
      const second = await this.#start(attempt, complaintPrompt(answer.complaint), again);
      if (!second.ok) return second.verdict;
      const better = answerOf(second.text, outputSchema);
      return better.ok ? resultVerdict(better.value) : invalid(better.complaint);
    } finally {
      await files.remove();
    }
  }

  /** The first start of it: with a copy of a session where there is one to copy. */
  async #begin(attempt: Attempt): Promise<Started> {
    const { recipe, session, sessions, say } = this.#settings;
    const { task } = this.#lease;
    const { output_schema: outputSchema } = task;
    const told = { id: task.id, instructions: task.instructions, ...(outputSchema && { outputSchema }) };
    const start = (id: string | undefined) => {
      const prompt = promptOf(told, attempt.given.context, id !== undefined);
      return this.#start(attempt, prompt, id === undefined ? undefined : { id, how: "fork" });
    };
    const isElsewhere = recipe.forksInPlace && attempt.worktree !== undefined;
    const parents = recipe.fork && !isElsewhere ? sessions.of(task) : undefined;
    if (parents === undefined) return start(session);
    say(`${task.key ?? task.id}: begins with a copy of its parent's session ${parents}`);
    const first = await start(parents);
    if (first.ok || first.began || this.#stopped) return first;
    say(`${task.key ?? task.id}: its parent's session could not be copied; it begins anew`);
    return start(session);
  }

  async #start(attempt: Attempt, stdin: string, session: Filling["session"]): Promise<Started> {
    const { given, files } = attempt;
    const { recipe, url, extra } = this.#settings;
    if (this.#stopped) return { ok: false, began: false, verdict: givenBack };
    const mcpFile = files.env.HEDDLE_MCP_FILE ?? "";
    const line = commandLine(recipe, { url, mcpFile, extra, ...(session && { session }) });
    const env = { ...given.env, ...files.env, ...environmentOf(recipe, url, this.#lease.id) };
    const prompt = recipe.readsMentions ? withoutMentions(stdin) : stdin;
    const reader = readerOf(recipe.reader, session?.how === "go_on" ? this.#usage : undefined);
    const { end, reading } = await this.#follow(attempt, line, env, prompt, reader);
    this.#usage = addUsage(this.#usage, reading.usage);
    this.#turns += reading.turns ?? 0;
    if (this.#stopped) return { ok: false, began: true, verdict: givenBack };
    const failure = failureIn(end, reading, Date.now());
    if (!failure) return { ok: true, text: reading.result!, session: reading.session };
    const pause = pauseOf(failure);
    if (pause !== undefined) this.#telling.rateLimited(pause);
    const began = failure.kind !== "failed" || failure.killed === true || this.#doing !== "" || !isNothing(reading);
    return { ok: false, began, verdict: failureVerdict(recipe, failure) };
  }

  async #follow(
    { files, worktree }: Attempt,
    line: readonly string[],
    env: NodeJS.ProcessEnv,
    stdin: string,
    reader: Reader,
  ): Promise<{ end: CommandEnd; reading: Reading }> {
    const lines = new LineReader(harnessLineBytesMax, (text, isCut) => {
      if (isCut || text === "") return;
      const doing = reader.add(parsed(text), Date.now());
      if (doing) this.#doing = oneLine(doing).slice(0, harnessProgressCharsMax);
      if (doing) this.#settings.doing(this.#lease, this.#doing);
      const { reading } = reader;
      if (reading.session !== undefined) this.#settings.sessions.tell(this.#lease.task.id, reading.session);
      this.#tell(reading);
    });
    this.#command = new Command(line, env, stdin, this.#settings.folder.guard, {
      onStdout: (part) => lines.write(part),
      ...(worktree && { cwd: worktree.cwd }),
    });
    const report = new ReportFile(files.report, (ms) => this.#telling.rateLimited(ms));
    const end = await report.during(this.#command.ended);
    lines.end();
    return { end, reading: reader.reading };
  }

  /** How far it is, of all its starts. */
  #tell({ usage, turns }: Reading): void {
    const sum = addUsage(this.#usage, usage);
    this.#telling.progress({
      ...(this.#doing !== "" && { message: this.#doing }),
      ...(turns !== undefined && { turns: this.#turns + turns }),
      ...(sum && { usage: reportable(sum) }),
    });
  }

  /** What became of the task's work in git, and what that makes of its verdict. */
  async #land(worktree: Worktree, verdict: Verdict): Promise<Verdict> {
    const { worktrees, confirm, say } = this.#settings;
    const { id, task } = this.#lease;
    const isHeld =
      verdict.ok &&
      !this.#stopped &&
      (await confirm(id).then(
        () => true,
        () => false,
      ));
    const message = `${oneLine(task.title ?? task.key ?? task.id).slice(0, 60)} (Heddle task ${task.id})`;
    let landing: Landing;
    try {
      landing = await worktrees!.close(worktree, { land: isHeld, message });
    } catch (error) {
      const lost = `Its work is in ${worktree.cwd}, and could not be brought to branch ${worktree.branch}: ${(error as Error).message}`;
      say(lost);
      return { ok: false, error: { code: "worktree_failed", message: lost }, retryable: false };
    }
    if (landing.kind === "refused") {
      const why = `The work is on branch ${landing.branch}, and could not be merged into ${landing.why}`;
      return { ok: false, error: { code: "merge_conflict", message: why }, retryable: false };
    }
    if (landing.kind === "merged") say(`${task.key ?? task.id}: ${landing.branch} is merged into ${landing.into}`);
    if (landing.kind !== "branch") return verdict;
    say(`${task.key ?? task.id}: its work is on branch ${landing.branch}`);
    if (verdict.ok) return verdict;
    const { error } = verdict;
    return {
      ...verdict,
      error: { ...error, message: `${error.message}\nWhat it did is on branch ${landing.branch}.` },
    };
  }
}

/** What all starts of the harness for the task have. */
interface Attempt {
  readonly given: TaskInput;
  readonly files: CommandFiles;
  readonly worktree: Worktree | undefined;
}

/** `began`: its model had been at it, or what stood in the way would stand there again. */
type Started =
  | { readonly ok: true; readonly text: string; readonly session: string | undefined }
  | { readonly ok: false; readonly began: boolean; readonly verdict: Verdict };

/** No reply of its model has come. */
const isNothing = ({ usage, turns = 0 }: Reading): boolean =>
  turns === 0 && (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0) === 0;

const invalid = (complaint: string): Verdict => ({
  ok: false,
  error: {
    code: "output_invalid",
    message: `The final message does not match output_schema, after it was told so once: ${complaint}`,
  },
  retryable: false,
});

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a word of the harness's to people
  }
}
