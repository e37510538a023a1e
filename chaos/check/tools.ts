/**
 * What became of calls of tools that are carried out elsewhere: at least once, always under one name, and one result for each in the
 * transcript, which is what one of the attempts was answered.
 */

import type { EventView, TaskView } from "../../src/client/index.ts";
import type { FoundRun, Stamped, ToolWord, World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import { answersIn, plannedOf, postsOf } from "./ops.ts";
import type { Broken } from "./violation.ts";

export function toolRules(world: World, ids: RunIds, found: FoundRun): Broken[] {
  const { run, of } = ids;
  const stamped = world.stamped.filter((one) => one.run === run);
  const broken = [...named(stamped), ...attempted(stamped, found)];
  const told = new Map<string, string>();
  for (const { run: of, act, outcome } of world.calls) {
    if (of !== run || act.kind !== "stamp" || outcome.kind !== "told") continue;
    const { key, word, stamp } = act;
    if (told.has(word))
      broken.push({
        sort: "twice",
        rule: "one report of a call is taken",
        about: key,
        told: told.get(word),
        found: stamp,
      });
    told.set(word, stamp);
  }
  const tasks = new Map(found.tasks.map((task) => [task.parent === null ? task.key : null, task]));
  for (const { key, words } of postsOf(world, of).flatMap((call) => [...plannedOf(call)])) {
    const task = tasks.get(key);
    if (!words || !task) continue;
    const transcript = found.transcripts[task.id] ?? "";
    for (const [i, word] of words.entries()) {
      const stamps = stampsOf(world, ids, word);
      broken.push(...answered(task, i, word, { stamps, transcript, told: told.get(word.word) }));
    }
  }
  return broken;
}

/** Calls that were over when a copy was made were the original's. */
const stampsOf = (world: World, { run, of }: RunIds, { word }: ToolWord): ReadonlySet<string> =>
  new Set(
    world.stamped.flatMap((one) =>
      one.word === word && (one.run === run || one.run === of) && one.stamp !== null ? [one.stamp] : [],
    ),
  );

/** Each attempt at a call has its name, its bytes and a signature; no two calls share a name. */
function named(stamped: readonly Stamped[]): Broken[] {
  const broken: Broken[] = [];
  const byWord = new Map<string, Stamped>();
  const byId = new Map<string, Stamped>();
  for (const one of stamped) {
    const { id, word, text, signed } = one;
    if (!signed) broken.push({ sort: "wrong", rule: "a call is signed", about: word, told: id, found: text });
    const before = byWord.get(word) ?? one;
    const same = byId.get(id) ?? one;
    byWord.set(word, before);
    byId.set(id, same);
    if (before.id !== id)
      broken.push({ sort: "twice", rule: "a call has one name", about: word, told: before.id, found: id });
    if (same.word !== word)
      broken.push({ sort: "wrong", rule: "a name is one call's", about: id, told: same.word, found: word });
    if (before.text !== text)
      broken.push({
        sort: "wrong",
        rule: "a call is the same at every attempt",
        about: word,
        told: before.text,
        found: text,
      });
  }
  return broken;
}

/** Nobody is asked more often than the log says. A call's name ends in the number of its event. */
function attempted(stamped: readonly Stamped[], { events }: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const started = new Map<string, number>();
  const nameOf = ({ task, call }: EventView) => `${task} ${call}`;
  for (const event of events)
    if (event.type === "tool_call_started") started.set(nameOf(event), (started.get(nameOf(event)) ?? 0) + 1);
  for (const [id, all] of Map.groupBy(stamped, (one) => one.id)) {
    const begun = events[Number(id.split("_").at(-1)) - 1];
    if (begun?.type !== "call_waiting") {
      broken.push({ sort: "lost", rule: "a call that was made is in the log", about: id, told: all[0], found: begun });
      continue;
    }
    const told = started.get(nameOf(begun)) ?? 0;
    if (all.length > told)
      broken.push({
        sort: "twice",
        rule: "a call is made as often as the log says",
        about: id,
        told,
        found: all.length,
      });
  }
  return broken;
}

interface Known {
  readonly stamps: ReadonlySet<string>;
  readonly transcript: string;
  /** What a worker was told that it had reported. */
  readonly told: string | undefined;
}

function answered(task: TaskView, i: number, { word }: ToolWord, { stamps, transcript, told }: Known): Broken[] {
  const broken: Broken[] = [];
  const about = `${task.key} ${task.id}: ${word}`;
  const answer = task.state === "succeeded" ? answersIn(task.result)?.[i]?.stamp : undefined;
  if (answer !== undefined && !stamps.has(answer as string))
    broken.push({
      sort: "wrong",
      rule: "a call's result is what its tool said",
      about,
      told: [...stamps],
      found: answer,
    });
  if (answer !== undefined && told !== undefined && answer !== told)
    broken.push({ sort: "lost", rule: "a report that was taken is the call's result", about, told, found: answer });
  const results = resultsIn(transcript).filter((text) => text.includes(`"${word} `));
  if (results.length > 1)
    broken.push({ sort: "twice", rule: "a call has one result in the transcript", about, told: 1, found: results });
  if (answer !== undefined && !results.some((text) => text.includes(answer as string)))
    broken.push({ sort: "lost", rule: "a call's result is in the transcript", about, told: answer, found: results });
  return broken;
}

/** Texts of results of calls, in Anthropic's form: the load's runs have no other. */
function resultsIn(transcript: string): string[] {
  if (transcript === "") return [];
  const { messages } = JSON.parse(transcript) as { messages: { content: unknown }[] };
  return messages.flatMap(({ content }) =>
    (Array.isArray(content) ? content : []).flatMap((block: { type?: unknown; content?: unknown }) =>
      block.type === "tool_result" ? [textOf(block.content)] : [],
    ),
  );
}

const textOf = (content: unknown): string =>
  typeof content === "string" ? content : (content as { text?: string }[]).map(({ text = "" }) => text).join("");
