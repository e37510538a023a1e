/** What the simulated model says to a request: the turn of the script that is due, or that there is none. */

import { findNote } from "../../context/compaction.ts";
import type { Said } from "./conversation.ts";
import { findBlock } from "./find-block.ts";
import { tokensOf } from "./prompt-cache.ts";
import { parseScript, type Script, type ScriptTurn } from "./script.ts";
import { fillText, fillValue, lookupIn } from "./templates.ts";

interface SimulatedCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

export interface SimulatedReply {
  /** Names the reply: the same request gives the same one. */
  readonly id: string;
  readonly model: string;
  readonly text: string;
  readonly calls: readonly SimulatedCall[];
  readonly usage: { readonly input: number; readonly read: number; readonly written: number; readonly output: number };
}

/** A turn that is due. `key` names (task, block, turn): what fails are counted by, and what ids come from. */
export interface DueTurn {
  readonly key: string;
  /** 1-based; may lie past the script's end. */
  readonly number: number;
  readonly turn: ScriptTurn | undefined;
  readonly latencyMs: number;
  /** Tokens that a prompt may have; undefined: any. */
  readonly window: number | undefined;
  /** Calls that are served at once; undefined: any number. */
  readonly concurrent: number | undefined;
  /** Of OpenAI's two kinds of calls it takes the newer one alone. */
  readonly responsesOnly: boolean;
  readonly text: string;
  readonly calls: readonly SimulatedCall[];
  readonly output: number;
}

/** @throws BadScript when the block that is due can't be played. */
export async function dueTurn(
  said: readonly Said[],
  taskId: string | undefined,
  messages: readonly unknown[],
): Promise<DueTurn> {
  const block = findBlock(said, taskId);
  const script: Script = block ? parseScript(block.body) : { turns: [] };
  // Without a task's id the conversation up to the block stands for it.
  const start = block?.message ?? -1;
  const task = taskId ?? (await digest(JSON.stringify(messages.slice(0, start + 1))));
  const replies = said.slice(start + 1);
  // A context that was made shorter says how many replies it lacks: the script goes on where it was.
  const notes = replies.flatMap(({ texts }) => texts.map(findNote)).filter((note) => note !== undefined);
  const gone = notes.at(-1)?.replies ?? 0;
  const number = gone + replies.filter(({ role }) => role === "assistant").length + 1;
  const turn = script.turns[number - 1];
  const key = `${task}:${await digest(block?.body ?? "")}:${number}`;
  const lookup = lookupIn(replies, gone);
  const wanted = turn?.calls ?? [];
  const ids = await digest(`${key}:${start}`);
  const calls = wanted.map(({ tool, arguments: given }, i) => ({
    id: `sim_${ids.slice(0, 20)}_${i}`,
    name: tool,
    arguments: JSON.stringify(fillValue(given, lookup)),
  }));
  const scripted = turn?.text === undefined ? undefined : fillText(turn.text, lookup);
  // A reply with neither text nor calls is none.
  const text = scripted?.trim()
    ? scripted
    : calls.length > 0
      ? ""
      : plainText(block !== undefined, number, script.turns.length);
  const spoken = text.length + calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  return {
    key,
    number,
    turn,
    window: script.window,
    concurrent: script.concurrent,
    responsesOnly: script.responses_only === true,
    latencyMs: turn?.latency_ms ?? script.latency_ms ?? 0,
    text,
    calls,
    output: turn?.usage?.output ?? tokensOf(spoken),
  };
}

function plainText(hasBlock: boolean, number: number, turns: number): string {
  if (!hasBlock) return "This reply is simulated: no ```sim block says what to answer.";
  if (number > turns) return `This reply is simulated: turn ${number} is past the ${turns} of its \`\`\`sim block.`;
  return `This reply is simulated: turn ${number} of its \`\`\`sim block says nothing.`;
}

/** 32 hex characters of SHA-256. */
export async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `text` in up to `most` pieces of about the same length, two at least where there are two characters; no pair is parted. */
export function piecesOf(text: string, most: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / most));
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + size, text.length);
    const last = text.charCodeAt(end - 1);
    if (last >= 0xd800 && last <= 0xdbff && end < text.length) end++;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}
