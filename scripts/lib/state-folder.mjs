// A local server's state folder: its secret, the record of the processes that serve it, and the lock that the record is.
//
// S1  At most one live server per folder: the record is made with an exclusive create and names its owner by pid and start.
// S2  Processes of a dead owner are ended before its record is replaced.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { endFamily, identify, isSame } from "./processes.mjs";
import { StopError } from "./stop-error.mjs";

export class StateFolder {
  /** @type {string} */
  path;
  #record;

  /** @throws StopError when there can be no such folder */
  constructor(path) {
    this.path = resolve(path);
    try {
      makeFolder(this.path);
    } catch (error) {
      throw new StopError(
        `The state folder ${this.path} can't be made (${error.code}). Set HEDDLE_STATE to a folder that you may write to.`,
      );
    }
  }

  file(name) {
    return join(this.path, name);
  }

  /** Takes the folder for this process; ends what a killed owner left running. @throws StopError while another one serves it */
  async take(url) {
    for (;;) {
      const old = this.#read();
      if (old && isSame(old.owner)) {
        throw new StopError(
          `A server with this state folder is already running at ${old.url} (process ${old.owner.pid}).\n` +
            "Use that one, stop it, or set HEDDLE_STATE to another folder and PORT to another port.",
        );
      }
      const ended = old ? await endFamily(old) : 0;
      this.#record = { owner: identify(process.pid), url, leader: { pid: 0, start: "" }, members: [] };
      if (this.#claim(old)) return { ended };
    }
  }

  /** Records the processes that serve now, so that the next start can end them should we be killed. */
  record(leader, members) {
    this.#record = { ...this.#record, leader, members };
    this.#replace(this.file("server.json"), JSON.stringify(this.#record));
  }

  release() {
    if (this.#record) rmSync(this.file("server.json"), { force: true });
    this.#record = undefined;
  }

  /**
   * 32 random bytes as hex, made once under that name: what the server signs and seals with must outlive a restart. An empty
   * file is what a crash of the machine leaves of one that was just made, and nothing was signed with it.
   * @throws StopError when it can't be read or written
   */
  secret(name) {
    const path = this.file(name);
    try {
      const kept = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
      if (kept !== "") return kept;
      const made = randomBytes(32).toString("hex");
      this.#replace(path, made);
      return made;
    } catch (error) {
      throw new StopError(`${path} can't be read or written (${error.code}). ${this.ifDamaged}`);
    }
  }

  /** What a user whose folder may be broken can do. */
  get ifDamaged() {
    return `If the state folder ${this.path} is damaged, move it away, or set HEDDLE_STATE to another one.`;
  }

  /** In one step: whoever is killed meanwhile leaves what was there. */
  #replace(path, text) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
  }

  #read() {
    try {
      return JSON.parse(readFileSync(this.file("server.json"), "utf8"));
    } catch {
      // Absent, or torn by a crash of the machine: then nothing of it lives either.
      return undefined;
    }
  }

  /** Puts our record where `old` was. False when another process was faster. */
  #claim(old) {
    const path = this.file("server.json");
    const current = this.#read();
    if (current && JSON.stringify(current.owner) !== JSON.stringify(old?.owner)) return false;
    rmSync(path, { force: true });
    try {
      writeFileSync(path, JSON.stringify(this.#record), { mode: 0o600, flag: "wx" });
      return true;
    } catch (error) {
      if (error.code === "EEXIST") return false;
      throw error;
    }
  }
}

/** Makes a folder and those above it. Node's own recursive way never comes back where the system refuses with ENOENT, as /proc does. */
function makeFolder(path) {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (error.code === "EEXIST" && statSync(path).isDirectory()) return;
    if (error.code !== "ENOENT" || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}
