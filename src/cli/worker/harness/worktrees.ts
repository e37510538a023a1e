/**
 * A git worktree for each task, on a branch of its own, and what becomes of it.
 *
 * Owns: folders beside the repository, branches `heddle/…`, merges into the branch that is checked out. Does not own: what runs
 * there.
 *
 * T1  Nothing that a task did is lost: what can't be merged, or is not to be, stays as its branch, changes that nobody
 *     committed included.
 * T2  A merge is whole or did not happen: one that conflicts is taken back.
 * T3  One merge into a repository at a time, whichever worker makes it.
 * T4  What a killed worker left the next one finds, by the owner's pid and start time: work is kept as its branch, the rest removed.
 * T5  What git does in a worktree it does by what the repository itself has of it: the file `.git` there is the task's, who may have
 *     written another, which would name a repository with commands of its own.
 */

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UsageError } from "../../usage.ts";
import { isGone, type Owner, thisProcess } from "../owner.ts";
import { GitError, git, gitSays } from "./git.ts";
import { alone } from "./lock-folder.ts";

export type WorktreeMode = "merge" | "branch";

/** What there is of a task's work in the repository. */
export type Landing =
  /** It changed nothing. */
  | { readonly kind: "nothing" }
  | { readonly kind: "merged"; readonly branch: string; readonly into: string }
  | { readonly kind: "branch"; readonly branch: string }
  | { readonly kind: "refused"; readonly branch: string; readonly why: string };

export interface Worktree {
  /** Where the harness works: the folder that corresponds to the worker's own. */
  readonly cwd: string;
  readonly branch: string;
}

interface Opened extends Worktree {
  readonly path: string;
  readonly base: string;
}

const ownerSuffix = ".owner.json";
const branchPrefix = "heddle/";

export class Worktrees {
  readonly mode: WorktreeMode;
  readonly #top: string;
  readonly #common: string;
  /** The worker's own folder, from the repository's top. */
  readonly #inside: string;
  readonly #opened = new Map<string, Opened>();

  private constructor(mode: WorktreeMode, top: string, common: string, inside: string) {
    this.mode = mode;
    this.#top = top;
    this.#common = common;
    this.#inside = inside;
  }

  /** @throws UsageError where there is no repository to work in */
  static async in(cwd: string, mode: WorktreeMode): Promise<Worktrees> {
    try {
      const top = await git(cwd, "rev-parse", "--show-toplevel");
      await git(cwd, "rev-parse", "--verify", "HEAD^{commit}");
      if (mode === "merge") await git(cwd, "symbolic-ref", "--quiet", "HEAD");
      const common = resolve(cwd, await git(cwd, "rev-parse", "--git-common-dir"));
      return new Worktrees(mode, top, common, (await git(cwd, "rev-parse", "--show-prefix")).replace(/\/$/, ""));
    } catch (error) {
      if (!(error instanceof GitError) && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new UsageError(
        `--worktree needs a git repository with a commit${mode === "merge" ? " and a branch that is checked out" : ""}; ${cwd} is in none (${(error as Error).message}).`,
      );
    }
  }

  /** Beside the repository: harnesses refuse to write below `.git`. */
  get folder(): string {
    return join(dirname(this.#top), `${basename(this.#top)}.heddle-worktrees`);
  }

  /** A new worktree at the commit that is checked out. `name`: of this attempt alone. */
  async open(name: string): Promise<Worktree> {
    const branch = branchPrefix + name;
    const path = join(this.folder, name.replaceAll("/", "-"));
    await mkdir(this.folder, { recursive: true });
    // Before the worktree: one without an owner would be nobody's to clean up.
    await writeFile(path + ownerSuffix, JSON.stringify({ owner: thisProcess(), branch }), { mode: 0o600 });
    const base = await git(this.#top, "rev-parse", "HEAD");
    await this.#alone(() => git(this.#top, "worktree", "add", "-b", branch, path, base));
    const opened = { path, branch, base, cwd: join(path, this.#inside) };
    await mkdir(opened.cwd, { recursive: true });
    this.#opened.set(branch, opened);
    return opened;
  }

  /** Ends a worktree. `land`: its work is wanted, and goes where `mode` says. @throws GitError, and then it is still there */
  async close({ branch }: Worktree, { land, message }: { land: boolean; message: string }): Promise<Landing> {
    const opened = this.#opened.get(branch)!;
    if (!(await this.#commit(opened, land ? message : `Unfinished: ${message}`))) {
      await this.#remove(opened, true);
      return { kind: "nothing" };
    }
    if (!land || this.mode === "branch") {
      await this.#remove(opened, false);
      return { kind: "branch", branch };
    }
    const landing = await this.#alone(() => this.#merge(branch, message));
    await this.#remove(opened, landing.kind === "merged");
    return landing;
  }

  /** Looks after what workers left that are gone; one line for each thing that was kept. */
  async recover(): Promise<string[]> {
    const told: string[] = [];
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names.filter((one) => one.endsWith(ownerSuffix))) {
      const path = join(this.folder, name.slice(0, -ownerSuffix.length));
      try {
        const { owner, branch } = JSON.parse(await readFile(path + ownerSuffix, "utf8")) as {
          owner: Owner;
          branch: string;
        };
        if (!isGone(owner)) continue;
        const kept = await this.#salvage(path, branch);
        if (kept) told.push(`A worker that was killed left work of a task: it is on branch ${branch}.`);
      } catch (error) {
        told.push(`A worker that was killed left ${path}, which could not be cleaned up: ${(error as Error).message}`);
      }
    }
    return told;
  }

  /** The folder in which the repository keeps what belongs to a worktree (T5). @throws GitError when it has none */
  async #gitDir(path: string): Promise<string> {
    const all = join(this.#common, "worktrees");
    const real = await realpath(path).catch(() => path);
    for (const name of await readdir(all).catch(() => [])) {
      const link = (await readFile(join(all, name, "gitdir"), "utf8").catch(() => "")).trim();
      if (link !== "" && (await realpath(dirname(link)).catch(() => "")) === real) return join(all, name);
    }
    throw new GitError(`${path} is no worktree of ${this.#top}`);
  }

  async #salvage(path: string, branch: string): Promise<boolean> {
    if (!(await gitSays(this.#top, "rev-parse", "--verify", `refs/heads/${branch}`))) {
      await rm(path, { recursive: true, force: true });
      await rm(path + ownerSuffix, { force: true });
      await git(this.#top, "worktree", "prune");
      return false;
    }
    const base = await git(this.#top, "merge-base", "HEAD", branch).catch(() => "");
    const opened = { path, branch, base, cwd: path };
    // Killed while it was made: there is a branch, and no tree yet.
    const isWhole = await this.#gitDir(path).then(
      (dir) => existsSync(join(dir, "index")),
      () => false,
    );
    const has = isWhole
      ? await this.#commit(opened, "Unfinished: the worker was killed")
      : (await git(this.#top, "rev-parse", branch)) !== base;
    await this.#remove(opened, !has);
    return has;
  }

  /** Whether the branch has anything beyond its base, now that what was uncommitted is on it. */
  async #commit({ path, branch, base }: Opened, message: string): Promise<boolean> {
    const own = [`--git-dir=${await this.#gitDir(path)}`, `--work-tree=${path}`];
    const here = (...args: string[]) => git(path, ...own, ...args);
    // The harness may have switched to another branch, or have left a merge half-way: what is there goes on ours.
    if ((await here("rev-parse", "--abbrev-ref", "HEAD")) !== branch) {
      const head = await here("rev-parse", "HEAD");
      await here("checkout", "-B", branch, head);
    }
    await here("add", "--all");
    if (!(await gitSays(path, ...own, "diff", "--cached", "--quiet")))
      await here(...(await this.#identity()), "commit", "--no-verify", "--quiet", "--message", message);
    return (await here("rev-parse", "HEAD")) !== base;
  }

  async #merge(branch: string, message: string): Promise<Landing> {
    const into = await git(this.#top, "rev-parse", "--abbrev-ref", "HEAD");
    try {
      const how = ["--no-ff", "--no-verify", "--no-edit", "--quiet", "-m", `Merge ${branch}: ${message}`];
      await git(this.#top, ...(await this.#identity()), "merge", ...how, branch);
      return { kind: "merged", branch, into };
    } catch (error) {
      const files = await git(this.#top, "diff", "--name-only", "--diff-filter=U").catch(() => "");
      // Only where a merge is under way; one that git refused to begin changed nothing.
      if (await gitSays(this.#top, "rev-parse", "--verify", "--quiet", "MERGE_HEAD"))
        await git(this.#top, "merge", "--abort");
      const why = files === "" ? (error as Error).message : `conflicts in ${files.split("\n").join(", ")}`;
      return { kind: "refused", branch, why: `${into}: ${why}` };
    }
  }

  async #remove({ path, branch }: Opened, withBranch: boolean): Promise<void> {
    await this.#alone(async () => {
      if (existsSync(path))
        await git(this.#top, "worktree", "remove", "--force", path).catch(() =>
          rm(path, { recursive: true, force: true }),
        );
      await git(this.#top, "worktree", "prune");
      if (withBranch) await git(this.#top, "branch", "--quiet", "-D", branch);
    });
    await rm(path + ownerSuffix, { force: true });
    this.#opened.delete(branch);
  }

  /** A name for commits where the user has none. */
  async #identity(): Promise<string[]> {
    if (process.env.GIT_COMMITTER_EMAIL || (await gitSays(this.#top, "config", "user.email"))) return [];
    return ["-c", "user.name=Heddle", "-c", "user.email=heddle@localhost"];
  }

  /** One at a time, over all workers of the repository. */
  #alone<T>(act: () => Promise<T>): Promise<T> {
    return alone(join(this.#common, "heddle-merge.lock"), act);
  }
}
