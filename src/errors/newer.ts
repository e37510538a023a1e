/** What is stored was written by a newer version of Heddle. It is refused before anything is changed, and never guessed at. */

/** By these words of its message the error is known on the other side of a call, where nothing else of it arrives. */
export const newerMark = "Deploy the newer version again";

export class Newer extends Error {
  /** What it is that can't be read. */
  readonly what: string;

  constructor(what: string) {
    super(`${what} Nothing was changed. ${newerMark}.`);
    this.name = "Newer";
    this.what = what;
  }
}
