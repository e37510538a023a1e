/**
 * Which ```sim block a request plays, and where in it the request stands (contract, DESIGN §10).
 *
 * 1. Searched: the task's own instructions, which stand in a fork text (as user text or as a tool result), and user text
 *    after it. Not searched: calls, other tool results, results of dependencies, anything before the fork point.
 * 2. The fork point is the last message with a fork text of the task that the request names. A request that names a task
 *    and holds no fork text of it has no script: playing its parent's would make it fork as its parent did, for ever.
 * 3. A request that names no task (an agent of one's own, a pasted context) has no fork point: every user text counts,
 *    and of every fork text the instructions.
 * 4. The latest block wins. Reply number k after its message plays turn k.
 */

import { findForkText } from "../../context/fork.ts";
import { simBlocks } from "../../context/sim-blocks.ts";
import type { Said } from "./conversation.ts";

interface FoundBlock {
  readonly body: string;
  /** Index of the message that holds it. */
  readonly message: number;
}

export function findBlock(said: readonly Said[], taskId: string | undefined): FoundBlock | undefined {
  const fork =
    taskId === undefined ? -1 : said.findLastIndex((message) => forkInstructions(message, taskId).length > 0);
  if (taskId !== undefined && fork < 0) return undefined;
  for (let i = said.length - 1; i >= Math.max(0, fork); i--) {
    const message = said[i]!;
    const texts =
      taskId === undefined ? anyTexts(message) : i === fork ? forkInstructions(message, taskId) : message.texts;
    const block = texts.flatMap((text) => simBlocks(withoutResults(text))).at(-1);
    if (block) return { body: block.body, message: i };
  }
  return undefined;
}

/** The instructions of the task's fork texts in a message, wherever they stand. */
const forkInstructions = ({ texts, results }: Said, taskId: string): string[] =>
  [...texts, ...results.map(({ text }) => text)].flatMap((text) => {
    const fork = findForkText(text);
    return fork?.taskId === taskId ? [fork.instructions] : [];
  });

const anyTexts = ({ texts, results }: Said): string[] => [
  ...results.flatMap(({ text }) => findForkText(text)?.instructions ?? []),
  ...texts.map((text) => findForkText(text)?.instructions ?? text),
];

/** Results of other tasks are data. In a block's JSON the attribute's quotes are escaped, so nothing of a block matches. */
const withoutResults = (text: string): string => text.replace(/<result of="[^"\n]*"[^>\n]*>[\s\S]*?<\/result>/g, "");
