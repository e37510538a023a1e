// What of wrangler's output belongs on the screen: errors with their indented details. All of it goes to the log.

// biome-ignore lint/complexity/useRegexLiterals: a literal would hold a control character
const ansi = new RegExp("\\u001b\\[[0-9;]*m", "g");

/** An error that comes again within this is in the log only. */
const quietMs = 10_000;
const kindsMax = 1000;

export const withoutColour = (text) => text.replace(ansi, "");

/**
 * Takes output in pieces and hands whole lines on: each to `log`, and those of an error to `show`.
 * A detail is an indented line after an error; blank lines are shown only between such. The same error within ten seconds
 * is shown once.
 */
export class ScreenFilter {
  #rest = "";
  #inError = false;
  #blank = 0;
  /** When each kind of error was last seen: a fault that repeats itself is shown once. */
  #seenAt = new Map();
  #log;
  #show;

  constructor({ log, show }) {
    this.#log = log;
    this.#show = show;
  }

  write(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(withoutColour(line.replace(/\r$/, "")));
  }

  end() {
    if (this.#rest !== "") this.write("\n");
  }

  #line(line) {
    this.#log(`${line}\n`);
    if (line.trim() === "") {
      this.#blank++;
      return;
    }
    const starts = /^(✘ \[ERROR\]|\[wrangler:error\])/.test(line);
    this.#inError = starts ? this.#isNews(line) : this.#inError && /^\s/.test(line);
    if (this.#inError) this.#show(`${!starts && this.#blank > 0 ? "\n" : ""}${line}\n`);
    this.#blank = 0;
  }

  #isNews(line) {
    // The runtime numbers its internal errors, each anew.
    const kind = line.replace(/\b(reference|wdErrId) = \w+/g, "");
    const last = this.#seenAt.get(kind) ?? Number.NEGATIVE_INFINITY;
    if (this.#seenAt.size >= kindsMax) this.#seenAt.clear();
    this.#seenAt.set(kind, Date.now());
    return Date.now() - last > quietMs;
  }
}
