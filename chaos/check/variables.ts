/** What became of ops on variables: each told one had its effect once, an untold one at most once. */

import type { FoundRun, World } from "../history.ts";
import { byName, type DoneOp, isError, isSure, isUnsure, opsOf } from "./ops.ts";
import type { Broken } from "./violation.ts";

export function variableRules(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  for (const [name, ops] of byName(opsOf(world, run))) {
    const variable = found.variables[name];
    const tool = ops[0]!.op.tool;
    if (!variable) {
      const sure = ops.filter(isSure);
      if (sure.length > 0) broken.push(lost("a variable that was used is there", name, sure.length, null));
      continue;
    }
    switch (variable.kind) {
      case "atomic":
        broken.push(...sums(name, ops, variable.value));
        break;
      case "shared_map":
        for (const key of new Set(ops.map(({ op }) => op.arguments.key as string)))
          broken.push(
            ...sums(
              `${name}/${key}`,
              ops.filter(({ op }) => op.arguments.key === key),
              variable.entries[key] ?? 0,
            ),
          );
        break;
      case "shared_list":
        broken.push(...items(name, ops, variable.items), ...sections(name, ops, variable.items));
        break;
      case "shared_memory":
        broken.push(...notes(name, ops, variable.text));
        break;
      case "message_queue":
        // What is left in that of a run that was cancelled has no names.
        if (found.run.status !== "cancelled") broken.push(...messages(name, ops, variable.messages));
        break;
      case "future":
        broken.push(...settled(name, ops, variable));
        break;
      case "other":
        if (tool === "barrier") broken.push(...generations(name, ops));
        if (tool === "lock") broken.push(...tokens(name, ops));
    }
  }
  return broken;
}

const lost = (rule: string, about: string, told: unknown, found: unknown): Broken => ({
  ...{ sort: "lost", rule, about, told, found },
});
const twice = (rule: string, about: string, told: unknown, found: unknown): Broken => ({
  ...{ sort: "twice", rule, about, told, found },
});
const wrong = (rule: string, about: string, told: unknown, found: unknown): Broken => ({
  ...{ sort: "wrong", rule, about, told, found },
});

const isAdd = ({ op }: DoneOp) => op.arguments.op === "add" || op.arguments.op === "increment";

/** Deltas are positive: the value lies between the sure sum and the sure and unsure one; each add was told a value of its own. */
function sums(about: string, ops: readonly DoneOp[], value: unknown): Broken[] {
  const adds = ops.filter(isAdd);
  if (adds.length === 0) return [];
  const sum = (list: readonly DoneOp[]) => list.reduce((total, { op }) => total + (op.arguments.delta as number), 0);
  const sure = sum(adds.filter(isSure));
  const most = sure + sum(adds.filter(isUnsure));
  const told = { least: sure, most };
  const broken: Broken[] = [];
  if ((value as number) < sure) broken.push(lost("increments told are in the value", about, told, value));
  if ((value as number) > most) broken.push(twice("increments are in the value once", about, told, value));
  const values = adds.filter(isSure).map(({ answer }) => answer!.value);
  for (const same of repeated(values))
    broken.push(wrong("each increment is told a value of its own", about, same, value));
  return broken;
}

function items(name: string, ops: readonly DoneOp[], found: readonly unknown[]): Broken[] {
  const broken: Broken[] = [];
  const count = counted(found);
  const asked = new Set<unknown>();
  for (const one of ops) {
    if (one.op.arguments.op !== "append") continue;
    for (const item of one.op.arguments.items as unknown[]) {
      asked.add(item);
      const times = count.get(item) ?? 0;
      if (times > 1) broken.push(twice("an item is in its list once", `${name}: ${item}`, one.answer, times));
      if (isSure(one) && times === 0)
        broken.push(lost("an item told is in its list", `${name}: ${item}`, one.answer, 0));
      if (isError(one.answer) && times > 0)
        broken.push(wrong("a refused item is not in its list", `${name}: ${item}`, one.answer, times));
    }
    const index = one.answer?.index;
    const first = (one.op.arguments.items as unknown[])[0];
    if (isSure(one) && typeof index === "number" && found[index] !== first)
      broken.push(wrong("an item stands where it was told", `${name}: ${first}`, one.answer, found[index] ?? null));
  }
  for (const item of found)
    if (!asked.has(item)) broken.push(wrong("nothing is in a list that nobody appended", name, null, item));
  return broken;
}

/** Lines `<word>`, one an append. */
function notes(name: string, ops: readonly DoneOp[], text: string): Broken[] {
  const found = text.split("\n").filter((line) => line !== "");
  const asList = ops.map((one) => ({
    ...one,
    op: {
      tool: one.op.tool,
      arguments: { ...one.op.arguments, items: [(one.op.arguments.text as string | undefined)?.trim()] },
    },
    ...(one.answer !== undefined && { answer: isError(one.answer) ? one.answer : {} }),
  }));
  return items(name, asList as DoneOp[], found);
}

/** Every message goes to one pop: pushed = popped ∪ remaining, each once; a pop that nobody was told of may have taken some. */
function messages(name: string, ops: readonly DoneOp[], remaining: readonly unknown[]): Broken[] {
  const broken: Broken[] = [];
  const pops = ops.filter(({ op }) => op.arguments.op === "pop");
  const taken = pops.filter(isSure).flatMap(({ answer }) => (answer!.messages as unknown[] | undefined) ?? []);
  const count = counted([...taken, ...remaining]);
  const asked = new Set<unknown>();
  const missing: unknown[] = [];
  for (const one of ops) {
    if (one.op.arguments.op !== "push") continue;
    for (const message of one.op.arguments.messages as unknown[]) {
      asked.add(message);
      const times = count.get(message) ?? 0;
      if (times > 1) broken.push(twice("a message goes to one pop", `${name}: ${message}`, one.answer, times));
      if (isSure(one) && times === 0) missing.push(message);
      if (isError(one.answer) && times > 0)
        broken.push(wrong("a refused message is nowhere", `${name}: ${message}`, one.answer, times));
    }
  }
  const untold = pops.filter(isUnsure).reduce((sum, { op }) => sum + ((op.arguments.max as number) ?? 1), 0);
  if (missing.length > untold)
    broken.push(lost("pushed is popped or there", name, missing, `${untold} may have been popped by the untold`));
  for (const message of count.keys())
    if (!asked.has(message)) broken.push(wrong("nobody gets what nobody pushed", name, null, message));
  return broken;
}

/**
 * Lists of sections have `in X` and `out X`. Never are more than the permits (1 of a lock) between the two, but for those whose
 * holder ended in between and was told nothing.
 */
function sections(name: string, ops: readonly DoneOp[], found: readonly unknown[]): Broken[] {
  const permits = /^sections-(\d+)$/.exec(name)?.[1];
  if (permits === undefined) return [];
  const broken: Broken[] = [];
  // Who came to no told end may have lost its hold by its own end.
  const whole = new Set(
    ops.filter(isSure).flatMap(({ op }) => ((op.arguments.items as string[] | undefined) ?? []).map(String)),
  );
  const open = new Set<string>();
  for (const item of found as string[]) {
    const [way, who] = item.split(" ") as [string, string];
    if (way === "out") {
      if (!open.delete(who)) broken.push(wrong("who leaves a section is in it", name, item, [...open]));
      continue;
    }
    for (const other of open) if (!whole.has(`out ${other}`)) open.delete(other);
    if (open.size >= Number(permits))
      broken.push(wrong("critical sections do not overlap", name, item, { inside: [...open] }));
    open.add(who);
  }
  return broken;
}

/** Tokens are each given once, and a section that began under a higher one began after the lower one was let go. */
function tokens(name: string, ops: readonly DoneOp[]): Broken[] {
  const broken: Broken[] = [];
  const grants = ops.filter((one) => one.op.arguments.op === "acquire" && isSure(one));
  for (const token of repeated(grants.map(({ answer }) => answer!.token)))
    broken.push(twice("a lock's token is given once", name, token, null));
  const releases = new Map(
    ops
      .filter((one) => one.op.arguments.op === "release" && one.call && isSure(one))
      .map(({ call }) => [sectionOf(call), call!]),
  );
  const outside = grants
    .filter(({ call }) => call && releases.has(sectionOf(call)))
    .map(({ call, answer }) => ({
      token: answer!.token as number,
      call: call!,
      release: releases.get(sectionOf(call))!,
    }))
    .sort((a, b) => a.token - b.token);
  for (const [i, later] of outside.entries()) {
    const earlier = outside[i - 1];
    // The release was not even asked for when the next holder had been told that it holds.
    if (earlier && earlier.release.from > later.call.to)
      broken.push(
        wrong(
          "a lock has one holder at a time",
          name,
          { token: later.token, told: later.call.to },
          { token: earlier.token, released: earlier.release.from },
        ),
      );
  }
  return broken;
}

const sectionOf = (call: DoneOp["call"]): string | undefined =>
  call?.act.kind === "op" ? call.act.section : undefined;

function settled(
  name: string,
  ops: readonly DoneOp[],
  found: { readonly value: unknown; readonly settled: boolean },
): Broken[] {
  const broken: Broken[] = [];
  const resolves = ops.filter(({ op }) => op.arguments.op === "resolve");
  const won = resolves.filter(isSure);
  if (won.length > 1)
    broken.push(
      twice(
        "a future is resolved once",
        name,
        won.map(({ op }) => op.arguments.value),
        found.value,
      ),
    );
  if (won[0] && !found.settled)
    broken.push(lost("a resolved future is resolved", name, won[0].op.arguments.value, null));
  if (won[0] && found.settled && !same(won[0].op.arguments.value, found.value))
    broken.push(
      wrong("a future has the value of the one who resolved it", name, won[0].op.arguments.value, found.value),
    );
  const possible = resolves.filter((one) => !isError(one.answer)).map(({ op }) => op.arguments.value);
  if (found.settled && !possible.some((value) => same(value, found.value)))
    broken.push(wrong("a future has a value that was accepted", name, possible, found.value));
  for (const one of ops)
    if (one.op.arguments.op === "await" && isSure(one) && !same(one.answer!.value, found.value))
      broken.push(wrong("all who await a future see one value", name, one.answer!.value, found.value));
  return broken;
}

function generations(name: string, ops: readonly DoneOp[]): Broken[] {
  const broken: Broken[] = [];
  const waits = ops.filter(isSure);
  const parties = waits[0]?.op.arguments.parties as number;
  const unsure = ops.filter(isUnsure).length;
  const groups = new Map<unknown, unknown[]>();
  for (const { answer } of waits) {
    const group = groups.get(answer!.generation) ?? [];
    group.push(answer!.index);
    groups.set(answer!.generation, group);
  }
  for (const [generation, indices] of groups) {
    const about = `${name} ${generation}`;
    for (const index of repeated(indices))
      broken.push(twice("a barrier's places are given once", about, index, indices));
    if (indices.length > parties)
      broken.push(twice("a generation has as many as its parties", about, parties, indices));
    if (indices.length + unsure < parties) broken.push(lost("a generation is whole", about, parties, indices));
  }
  return broken;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function counted(list: readonly unknown[]): Map<unknown, number> {
  const count = new Map<unknown, number>();
  for (const one of list) count.set(one, (count.get(one) ?? 0) + 1);
  return count;
}

const repeated = (list: readonly unknown[]): unknown[] =>
  [...counted(list)].filter(([, times]) => times > 1).map(([one]) => one);
