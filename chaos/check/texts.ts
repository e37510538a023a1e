/** What became of texts: messages to tasks, turns of pull workers, and what was appended to a run's context. */

import type { FoundRun, World } from "../history.ts";
import type { Broken } from "./violation.ts";

export function textRules(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const tasks = new Map(found.tasks.map((task) => [task.id, task]));
  const arrived = new Map(
    found.events.filter(({ type }) => type === "message_received").map((event) => [event.seq, event]),
  );
  const unread = new Set(found.events.flatMap(({ unread: seqs }) => (seqs as number[] | undefined) ?? []));
  for (const call of world.calls) {
    if (call.run !== run) continue;
    const { act, outcome } = call;
    if (act.kind === "append") {
      const times = timesIn(found.head, act.text);
      if (outcome.kind === "told" && times === 0)
        broken.push({
          sort: "lost",
          rule: "what was appended is in the context",
          about: act.text,
          told: outcome.answer,
          found: 0,
        });
      if (times > 1)
        broken.push({
          sort: "twice",
          rule: "what was appended is in the context once",
          about: act.text,
          told: 1,
          found: times,
        });
      continue;
    }
    if (act.kind !== "message" && act.kind !== "turn") continue;
    const times = timesIn(found.transcripts[act.task] ?? "", act.text);
    const about = `${act.task}: ${act.text}`;
    if (times > 1)
      broken.push({ sort: "twice", rule: `a ${act.kind} is in the transcript once`, about, told: 1, found: times });
    if (outcome.kind !== "told") continue;
    const task = tasks.get(act.task);
    const retried = found.events.some(({ type, task: id }) => type === "task_retried" && id === act.task);
    if (act.kind === "turn") {
      if (times === 0 && task?.generation === act.generation)
        broken.push({ sort: "lost", rule: "a turn told is in the transcript", about, told: outcome.answer, found: 0 });
      continue;
    }
    const { seq } = outcome.answer as { seq: number };
    if (arrived.get(seq)?.task !== act.task)
      broken.push({
        sort: "lost",
        rule: "a message told is in the log",
        about,
        told: seq,
        found: arrived.get(seq) ?? null,
      });
    // A new generation begins without the messages of the old one.
    else if (times === 0 && !unread.has(seq) && !retried)
      broken.push({ sort: "lost", rule: "a message told is shown, or named as unread", about, told: seq, found: 0 });
    if (times > 0 && unread.has(seq))
      broken.push({ sort: "wrong", rule: "an unread message is not shown", about, told: seq, found: times });
  }
  return broken;
}

/** Words end in a mark, so that none begins as another does. */
function timesIn(text: string, word: string): number {
  let times = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) times++;
  return times;
}
