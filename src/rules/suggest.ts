/** What somebody may have meant: words that nobody knows become the nearest ones that rules have, and others' words ours. */

import { nearest } from "../nearest.ts";
import { findingKinds } from "./finding-kinds.ts";
import { patternsOf, wordsOf } from "./pattern.ts";
import { actionForms, alternates, conditionForms, limitForms } from "./table.ts";
import { quoted, type Token, tokensOf } from "./tokens.ts";
import { operatorWords, timeWords } from "./values.ts";

const patternWords = [
  ...wordsOf(patternsOf(limitForms)),
  ...wordsOf(patternsOf(conditionForms)),
  ...wordsOf(patternsOf(actionForms)),
];
const vocabulary = [
  ...new Set([
    "when",
    "then",
    "and",
    ...patternWords,
    ...Object.keys(findingKinds),
    ...Object.values(alternates).flat(),
    ...operatorWords,
    ...timeWords.filter((word) => word.length > 2),
    "dollars",
    "dollar",
    "million",
    "thousand",
  ]),
];
/** What others say, and what rules do. */
const phrases: readonly (readonly [theirs: string, ours: string])[] = [
  ["no more than", "at most"],
  ["not more than", "at most"],
  ["up to", "at most"],
  ["maximum of", "at most"],
  ["max of", "at most"],
  ["maximum", "at most"],
  ["max", "at most"],
  ["limit to", "at most"],
  ["limit", "at most"],
  ["only", "at most"],
  ["spend at most", "budget"],
  ["budget of", "budget"],
  ["budget at most", "budget"],
  ["budget:", "budget"],
  ["depth of", "depth"],
  ["if", "when"],
  ["once", "when"],
  ["while", "when"],
  ["stop", "pause"],
  ["half", "halve"],
  ["agents", "workers"],
  ["seats", "workers"],
  ["threads", "workers"],
  ["the", ""],
  ["jobs", "tasks"],
  ["levels", "depth"],
  ["used tokens", "tokens used"],
  ["token usage", "tokens used"],
  ["cost", "money used"],
  ["costs", "money used"],
  ["money spent", "money used"],
  ["tokens spent", "tokens used"],
  ["tokens usd", "tokens used"],
  ["money usd", "money used"],
  ["error rate", "provider errors"],
  ["provider error rate", "provider errors"],
  ["queue wait", "queue wait p95"],
  ["p95 queue wait", "queue wait p95"],
  ["queue wait p95 p95", "queue wait p95"],
  ["load", "worker load"],
  ["worker worker load", "worker load"],
  ["workers for the", "workers for"],
  ["for tasks with priority", "for priority"],
  ["per tasks", "per task"],
  ["findings", "finding"],
  ["ignore finding", "no finding"],
  ["without finding", "no finding"],
  ["over", "above"],
  ["more than", "above"],
  ["at least", "from"],
];

const known = new Set([
  ...vocabulary,
  ...timeWords,
  ...phrases.flatMap(([theirs]) => theirs.split(" ")),
  ...["usd", "k", "m", "every", "each", "in", "within", "during", "for"],
]);

/**
 * Texts that the bullet may have been meant as, the likeliest first; whether they are rules, the parser says. Bounded: a handful,
 * however long the bullet is.
 */
export function meantBy(text: string): string[] {
  const spelled = withNames(tokensOf(text).map(respelled));
  const plain = textOf(spelled);
  const candidates = [plain];
  let all = plain;
  for (const [theirs, ours] of phrases) {
    const one = replaced(plain, theirs, ours);
    if (one !== plain) candidates.push(one);
    all = replaced(all, theirs, ours);
  }
  candidates.push(all);
  // A condition that lacks its colon, and a metric that lacks its second word.
  for (const candidate of [plain, all]) {
    candidates.push(candidate.replace(/ (?=(?:at most \d|halve|double|pause)[^:]*$)/u, ": "));
    candidates.push(candidate.replace(/^when (tokens|money) (?!used)/u, "when $1 used "));
    candidates.push(candidate.replace(/\b(used|errors|p95|load) (?:is )?over /u, "$1 above "));
    candidates.push(
      candidate.replace(
        / (?:every|each|in|within|during|for) (?=\d+ (?:s|min|h|sec|second|minute|hour)s?\b)/u,
        " over ",
      ),
    );
  }
  const own = text.trim();
  return [...new Set(candidates)].filter((candidate) => candidate !== own);
}

/** As words, whole ones only; names are left alone. */
function replaced(text: string, theirs: string, ours: string): string {
  const at = ` ${text} `.indexOf(` ${theirs} `);
  const quote = text.indexOf('"');
  if (at < 0 || (quote >= 0 && at > quote)) return text;
  return ` ${text} `.replace(` ${theirs} `, ours === "" ? " " : ` ${ours} `).trim();
}

function respelled(token: Token): Token {
  if (token.kind !== "word" || known.has(token.text)) return token;
  const best = nearest(token.text, vocabulary);
  return best === undefined ? token : { kind: "word", text: best, raw: best };
}

/** A word after "label", "pool" or "model" is a name that lacks its quotes. */
const withNames = (tokens: readonly Token[]): Token[] =>
  tokens.map((token, i) =>
    token.kind === "word" && ["label", "pool", "model"].includes(tokens[i - 1]?.text ?? "")
      ? { kind: "name", text: token.raw, raw: quoted(token.raw) }
      : token,
  );

/** With a space between all but what belongs together. */
const textOf = (tokens: readonly Token[]): string =>
  tokens
    .map(({ kind, raw, text }) => (kind === "word" ? text : raw))
    .join(" ")
    .replace(/ (?=[,:%])/gu, "");
