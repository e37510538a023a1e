/**
 * Group commit: a commit costs a flush of the storage, and commands that arrive while one is under way can share the next.
 *
 * G1. A command that finds no commit under way runs at once.
 * G2. Others wait for that commit, then share one in the order in which they came, `commandsPerCommit` at most: a larger
 *     group would keep its first waiting for its last.
 * G3. After `commitsInARow` without a pause the runtime gets one: calls from outside arrive in it, however busy the seats are.
 * G4. A command that breaks takes no other of its group with it.
 */

import { commandsPerCommit, commitsInARow } from "../limits.ts";

interface Waiting<Command, Answer> {
  readonly command: Command;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (bug: unknown) => void;
}

export class Commits<Command, Answer> {
  readonly #run: (commands: readonly Command[]) => Answer[];
  readonly #flushed: () => Promise<void>;
  #waiting: Waiting<Command, Answer>[] = [];
  #isUnderWay = false;

  /** `run` carries out commands as one, or throws and changes nothing; `flushed` resolves when what was written is durable. */
  constructor(run: (commands: readonly Command[]) => Answer[], flushed: () => Promise<void>) {
    this.#run = run;
    this.#flushed = flushed;
  }

  submit(command: Command): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      if (!this.#isUnderWay) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isUnderWay = true;
    try {
      for (let row = 1; this.#waiting.length > 0; row++) {
        if (row % commitsInARow === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        this.#carryOut(this.#waiting.splice(0, commandsPerCommit));
        await this.#flushed();
      }
    } catch (lost) {
      // The storage is gone, and with it this object's memory: nobody is left waiting on it.
      for (const { reject } of this.#waiting.splice(0)) reject(lost);
    } finally {
      this.#isUnderWay = false;
    }
  }

  #carryOut(group: readonly Waiting<Command, Answer>[]): void {
    try {
      const answers = this.#run(group.map(({ command }) => command));
      for (const [i, { resolve }] of group.entries()) resolve(answers[i]!);
    } catch (bug) {
      if (group.length === 1) group[0]!.reject(bug);
      else for (const one of group) this.#carryOut([one]);
    }
  }
}
