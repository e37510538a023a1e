/**
 * Where a path of a call leads: inside the workspace, or nowhere.
 *
 * P1  A path is relative and has no `..`, so its text alone does not lead out.
 * P2  It is followed step by step; a link on the way is followed only to where it stays inside, whatever stands behind it.
 *     What does not exist yet is only below folders that do, so that creating it creates it inside.
 * P3  What is answered has no link in it. Whoever uses it opens without following links, and asks again (`isStill`) when the
 *     file is open or before it gets its name: a link that was put there meanwhile is seen.
 */

import { realpathSync, statSync } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { pathCharsMax } from "../../../limits.ts";
import { Refusal, refusalOf } from "./refusal.ts";

export interface Place {
  /** Absolute and without links. */
  readonly path: string;
  /** As the caller knows it: relative, with slashes. */
  readonly shown: string;
  readonly exists: boolean;
}

const isWindows = process.platform === "win32";

export class WorkspacePaths {
  /** Absolute and without links. */
  readonly root: string;

  /** @throws Error when the folder is none */
  constructor(folder: string) {
    this.root = realpathSync(folder);
    if (!statSync(this.root).isDirectory()) throw new Error(`${folder} is no folder`);
  }

  /** @throws Refusal for what leads out, and for what can't be followed */
  async resolve(path: string): Promise<Place> {
    const steps = stepsOf(path);
    let at = this.root;
    for (const [i, step] of steps.entries()) {
      const next = join(at, step);
      const shown = steps.slice(0, i + 1).join("/");
      const stats = await lstat(next).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw refusalOf(error, shown);
      });
      if (!stats) return this.#place(join(next, ...steps.slice(i + 1)), false);
      at = stats.isSymbolicLink() ? await this.#target(next, shown) : next;
    }
    return this.#place(at, true);
  }

  /** @throws Refusal where writing would change what other programs of the user run without asking */
  requireWritable({ path, shown }: Place): void {
    if (path === this.root) throw new Refusal("not_a_file", "the workspace itself is a folder");
    if (relative(this.root, path).split(sep).some(isGitFolder))
      throw new Refusal("not_permitted", `${shown}: nothing is written below .git`);
  }

  /** Whether the place, or the folder that it is to stand in, is still where it was found (P3). */
  async isStill(path: string): Promise<boolean> {
    const found = await realpath(path).catch(() => undefined);
    return found === path && this.#isInside(path);
  }

  #place(path: string, exists: boolean): Place {
    return { path, exists, shown: relative(this.root, path).split(sep).join("/") || "." };
  }

  async #target(link: string, shown: string): Promise<string> {
    const target = await realpath(link).catch(() => undefined);
    if (target === undefined) throw new Refusal("outside_workspace", `${shown} is a link that leads nowhere`);
    if (!this.#isInside(target))
      throw new Refusal("outside_workspace", `${shown} is a link that leads out of the workspace`);
    return target;
  }

  #isInside(path: string): boolean {
    return path === this.root || path.startsWith(this.root === dirname(this.root) ? this.root : this.root + sep);
  }
}

/** The names on a path's way; none for the workspace itself. */
function stepsOf(path: string): string[] {
  if (path.length > pathCharsMax) throw new Refusal("bad_arguments", `path: at most ${pathCharsMax} characters`);
  if (path.includes("\0")) throw new Refusal("bad_arguments", "path: has a NUL character");
  if (isAbsolute(path) || path.startsWith("/") || (isWindows && path.includes(":")))
    throw new Refusal("outside_workspace", `${path} is absolute`);
  const steps = path.split(isWindows ? /[\\/]/ : "/").filter((step) => step !== "" && step !== ".");
  if (steps.includes("..")) throw new Refusal("outside_workspace", `${path} has ".." in it`);
  return steps;
}

/** Also under the spellings that some file systems take for the same: case, ignored characters, trailing dots, short names. */
const isGitFolder = (step: string): boolean =>
  /^(\.git|git~\d+)$/.test(
    step
      .normalize("NFKC")
      .replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, "")
      .replace(/[. ]+$/, "")
      .toLowerCase(),
  );
