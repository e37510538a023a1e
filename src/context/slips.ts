/**
 * What is wrong with messages as they enter, wherever they are sent: a provider would refuse each task that forks them, one by one.
 *
 * Owns: results that belong to no call, and calls that nobody could tell apart.
 * Does not own: what a vendor may yet take. Roles, blocks and fields are added by vendors, and servers that speak their formats take more
 * than they do (reused ids, results apart from their calls, roles of their own). Our simulated model keeps all rules (message-rules.ts).
 *
 * - S1 A result takes up a call of its id that stands before it. In Anthropic's format the call is in the newest reply before it: user
 *   messages in a row are one, and so are assistant messages.
 * - S2 In Anthropic's format the calls of one message have ids of their own.
 * - S3 In Anthropic's format nothing is said by `tool` or `function`: these are OpenAI's roles for results.
 * - S4 In Anthropic's format nothing is asked of what stands before a compaction: the vendor leaves it out.
 * - S5 Only what enters is judged, by what it is appended to: whatever is stored stays and can be appended to.
 */

import { shownIdCharsMax } from "../limits.ts";
import { roleOf } from "./calls.ts";
import { rawAt, rawElements, stringAt } from "./json-text.ts";
import type { Format, MessageText } from "./types.ts";

/** `path` begins at the list of messages: `messages[2].tool_call_id`. */
export interface Slip {
  readonly path: string;
  readonly message: string;
}

/** An id, and where in its message it stands. */
interface Named {
  readonly id: string;
  readonly at: string;
}

const shown = (id: string): string => (id.length > shownIdCharsMax ? `${id.slice(0, shownIdCharsMax)}…` : id);

/** Members of the elements of a list that stand for a call or a result. */
function named(message: MessageText, list: "content" | "tool_calls", is: (type: string) => boolean, key: string) {
  return rawElements(rawAt(message, [list]) ?? "").flatMap((element, i): Named[] => {
    const id = is(stringAt(element, ["type"]) ?? "") ? stringAt(element, [key]) : undefined;
    return id === undefined ? [] : [{ id, at: `${list}[${i}].${key}` }];
  });
}

/** Calls that vendors carry out themselves are among them: nothing is refused for a kind of call that is not known here. */
function callsIn(format: Format, message: MessageText): Named[] {
  // Most messages have none, which a search finds out; a word with an escaped letter has to be read.
  if (!message.includes(format === "anthropic" ? 'tool_use"' : '"tool_calls"') && !message.includes("\\u")) return [];
  return format === "anthropic"
    ? named(message, "content", (type) => type.endsWith("tool_use"), "id")
    : named(message, "tool_calls", () => true, "id");
}

function resultsIn(format: Format, message: MessageText): Named[] {
  // Whoever escapes a letter of the word is not judged.
  if (!message.includes(format === "anthropic" ? '"tool_result"' : '"tool_call_id"')) return [];
  const role = roleOf(message);
  if (format === "anthropic")
    return role === "user" ? named(message, "content", (type) => type === "tool_result", "tool_use_id") : [];
  const id = role === "tool" ? stringAt(message, ["tool_call_id"]) : undefined;
  return id === undefined ? [] : [{ id, at: "tool_call_id" }];
}

/** Which calls are there to be answered: those of the messages before, looked for from the newest back and as far as needed. */
class Calls {
  readonly #format: Format;
  readonly #before: Iterator<MessageText>;
  readonly #called = new Set<string>();
  /** By id: calls less results of what enters. */
  readonly #entered = new Map<string, number>();
  /** By id: calls less results of what was looked back at, and the most that this was on the way. */
  readonly #sums = new Map<string, number>();
  readonly #stored = new Map<string, number>();
  /** Anthropic's: who spoke last of what enters, and who was heard first looking back. */
  #speaker: string | undefined;
  #heard: string | undefined;
  #isReplyWhole = false;

  constructor(format: Format, before: Iterable<MessageText>) {
    this.#format = format;
    this.#before = before[Symbol.iterator]();
  }

  /** A message that enters, in their order; its results are taken up already. */
  enter(message: MessageText): void {
    if (this.#format === "anthropic") {
      const role = roleOf(message);
      if (role === "assistant" && this.#speaker !== "assistant") this.#beginReply();
      if (role === "assistant" || role === "user") this.#speaker = role;
    }
    for (const { id } of callsIn(this.#format, message)) {
      this.#called.add(id);
      this.#entered.set(id, (this.#entered.get(id) ?? 0) + 1);
    }
  }

  /** Whether a call of this id was left for one more result. */
  takeUp(id: string): boolean {
    while ((this.#stored.get(id) ?? 0) + (this.#entered.get(id) ?? 0) <= 0) if (!this.#lookBack()) return false;
    this.#entered.set(id, (this.#entered.get(id) ?? 0) - 1);
    return true;
  }

  /** Of an id that could not be taken up: whether it was before. */
  wasCalled = (id: string): boolean => this.#called.has(id);

  #beginReply(): void {
    // The first to speak may go on with a reply that is stored.
    if (this.#speaker === undefined) {
      this.#heard = "assistant";
      return;
    }
    this.#isReplyWhole = true;
    for (const counts of [this.#called, this.#entered, this.#stored]) counts.clear();
  }

  /** One message further back; false when there is none that counts. */
  #lookBack(): boolean {
    if (this.#isReplyWhole) return false;
    const { value: message, done } = this.#before.next();
    if (done) return false;
    if (this.#format === "anthropic") {
      const role = roleOf(message);
      this.#isReplyWhole = role === "user" && this.#heard === "assistant";
      if (this.#isReplyWhole) return false;
      if (role === "assistant") this.#heard = role;
    }
    for (const { id } of resultsIn(this.#format, message)) this.#add(id, -1);
    for (const { id } of callsIn(this.#format, message)) {
      this.#called.add(id);
      this.#add(id, 1);
    }
    return true;
  }

  #add(id: string, count: number): void {
    const sum = (this.#sums.get(id) ?? 0) + count;
    this.#sums.set(id, sum);
    this.#stored.set(id, Math.max(sum, this.#stored.get(id) ?? 0));
  }
}

/**
 * The first thing wrong with messages that are appended to others; undefined for messages that some provider may take. `before`: the
 * others, newest first; read only where results enter, and then as far as their calls are away. Linear in what it reads.
 */
export function slipIn(
  format: Format,
  messages: readonly MessageText[],
  before: Iterable<MessageText> = [],
): Slip | undefined {
  const calls = new Calls(format, before);
  const from = format === "anthropic" ? messages.findLastIndex((message) => message.includes('"compaction"')) : 0;
  let entered = 0;
  for (const [i, message] of messages.entries()) {
    if (i < from) continue;
    const own = format === "anthropic" ? slipWithin(message) : undefined;
    if (own) return { ...own, path: `messages[${i}].${own.path}` };
    const results = resultsIn(format, message);
    if (results.length === 0) continue;
    while (entered < i) calls.enter(messages[entered++]!);
    const stray = results.find(({ id }) => !calls.takeUp(id));
    if (stray)
      return { path: `messages[${i}].${stray.at}`, message: strayText(format, stray.id, calls.wasCalled(stray.id)) };
  }
  return undefined;
}

function strayText(format: Format, id: string, isSecond: boolean): string {
  if (isSecond) return `a second result of the call ${shown(id)}, which has one: leave one of them out`;
  const missing =
    format === "anthropic"
      ? `the reply before it has no tool_use ${shown(id)}`
      : `no message before it calls ${shown(id)}`;
  return `${missing}: put the assistant message with that call before its result, or leave the result out`;
}

/** What is wrong with one message of Anthropic's format, whatever stands before it. */
function slipWithin(message: MessageText): Slip | undefined {
  if (message.includes('"tool"') || message.includes('"function"')) {
    const role = roleOf(message);
    if (role === "tool" || role === "function")
      return {
        path: "role",
        message: `"${role}" is a role of OpenAI's messages: say "format": "openai" in the run's context, or give the result as a tool_result block of a user message`,
      };
  }
  const first = message.indexOf('"tool_use"');
  if (first === message.lastIndexOf('"tool_use"') || roleOf(message) !== "assistant") return undefined;
  const seen = new Set<string>();
  for (const { id, at } of named(message, "content", (type) => type === "tool_use", "id")) {
    if (seen.has(id))
      return { path: at, message: `a second call ${shown(id)} in one message: give each an id of its own` };
    seen.add(id);
  }
  return undefined;
}
