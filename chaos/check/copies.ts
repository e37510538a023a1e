/** What became of runs that were saved as files and taken in: whole, once, and equal to what they were made from. */

import { createHash } from "node:crypto";
import type { Copied, FoundRun, World } from "../history.ts";
import type { Broken } from "./violation.ts";

/** A run, and the one that it was copied from: itself, if it is none. */
export interface RunIds {
  readonly run: string;
  readonly of: string;
  /** How many events of its log were the other's: what they tell of was asked for, and paid, there. */
  readonly from: number;
}

/** Of how many events the file of a copy had told; none of a run's own. */
export function lengthOf(world: World, copy: string): number {
  const file = world.copied.find((one) => one.copy === copy)?.file;
  return file ? (JSON.parse(file[0]!) as { seq: number }).seq : 0;
}

/** By the copy's id: the runs that are copies, as far as somebody was told of them. */
export function copiesOf(world: World): ReadonlyMap<string, string> {
  const copies = new Map(world.copied.map(({ of, copy }) => [copy, of]));
  for (const { act, outcome } of world.calls)
    if (act.kind === "import" && outcome.kind === "told") copies.set((outcome.answer as { id: string }).id, act.of);
  return copies;
}

/** How many copies of a run may be there, of which nobody was told: who was cut off may have made one. */
export const untoldCopies = (world: World, of: string): number =>
  world.calls.filter(({ act, outcome }) => act.kind === "import" && act.of === of && outcome.kind === "unknown").length;

/** Somebody has asked for its deletion. */
export const mayBeGone = (world: World, run: string): boolean =>
  world.calls.some((call) => call.run === run && call.act.kind === "delete");

export function importRules(world: World): { readonly run: string; readonly broken: Broken }[] {
  const broken: { run: string; broken: Broken }[] = [];
  for (const { act, outcome, id } of world.calls)
    if (act.kind === "import" && outcome.kind === "refused")
      broken.push({
        run: act.of,
        broken: { sort: "wrong", rule: "a file is taken in", about: id, told: act.of, found: outcome.code },
      });
  for (const copied of world.copied) {
    const { of, copy } = copied;
    const files = [...whole(`the file of ${of}`, copied.file), ...whole(`the file of ${copy}`, copied.again)];
    for (const one of [...files, ...equal(copied), ...asLogged(copied, world.found[of])])
      broken.push({ run: of, broken: one });
    if (!world.found[copy] && !mayBeGone(world, copy))
      broken.push({
        run: of,
        broken: { sort: "lost", rule: "a copy told is there", about: copy, told: copy, found: null },
      });
  }
  return broken;
}

interface Line {
  readonly seq?: number;
  readonly at?: number;
  readonly events?: readonly { readonly type: string }[];
  readonly status?: string;
  readonly [field: string]: unknown;
}

const parsed = (line: string): Line => JSON.parse(line) as Line;

/** As the documentation says it: a chain of digests, and counts of what is before the end. */
function whole(about: string, file: readonly string[]): Broken[] {
  const lines = file.slice(0, -1);
  const end = parsed(file.at(-1)!);
  const digest = lines.reduce((last, line) => createHash("sha256").update(`${last}\n${line}\n`).digest("hex"), "");
  const found = { lines: lines.length, digest };
  if (end.lines === found.lines && end.digest === found.digest) return [];
  return [{ sort: "lost", rule: "a file is whole", about, told: { lines: end.lines, digest: end.digest }, found }];
}

/** The lines of its log, which come in a stretch after the snapshots. */
const rowsOf = (file: readonly string[]): string[] => file.filter((line) => line.startsWith('{"seq":'));
const snapshotsOf = (file: readonly string[]): string[] => file.filter((line) => line.startsWith('{"snapshot":'));
/** Those with data and what is in them: what blocks is in the log. */
const dataOf = (file: readonly string[]): string[] =>
  file.filter(
    (line) =>
      line.startsWith('{"of":') ||
      (line.startsWith('{"variable":') && dataKinds.has((parsed(line).variable as { kind: string }).kind)),
  );
const dataKinds = new Set(["atomic", "shared_map", "shared_list", "shared_memory"]);

const ended = new Set(["succeeded", "failed", "cancelled"]);

/** A copy's own file has all that its file had; of a run that had ended nothing else. */
function equal({ of, copy, file, again }: Copied): Broken[] {
  const about = `${copy} of ${of}`;
  const broken: Broken[] = [];
  const compare = (what: string, told: readonly string[], found: readonly string[]) => {
    const at = told.findIndex((line, i) => line !== found[i]);
    if (at >= 0)
      broken.push({
        ...{ sort: "lost", rule: "a copy has what its file has", about: `${what} of ${about}` },
        ...{ told: told[at], found: found[at] ?? null },
      });
    else if (what !== "log" && found.length > told.length)
      broken.push({
        ...{ sort: "twice", rule: "a copy has what its file has", about: `${what} of ${about}` },
        ...{ told: told.length, found: found.length },
      });
  };
  if (ended.has(parsed(file[0]!).status!)) {
    // Its header and its end, whose digest is of the header too, are its own.
    compare("lines", file.slice(1, -1), again.slice(1, -1));
    return broken;
  }
  compare("snapshots", snapshotsOf(file), snapshotsOf(again));
  compare("log", rowsOf(file), rowsOf(again));
  compare("data", dataOf(file), dataOf(again));
  return broken;
}

/** The file's log is the run's own, event by event. */
function asLogged({ of, file }: Copied, found: FoundRun | undefined): Broken[] {
  if (!found) return [];
  for (const row of rowsOf(file)) {
    const { seq, at, events } = parsed(row) as Required<Line>;
    for (const [i, { type }] of events.entries()) {
      const there = found.events[seq + i - 1];
      if (there?.type !== type || there.at !== at)
        return [
          {
            ...{ sort: "lost", rule: "a file has the log of its run", about: `event ${seq + i} of ${of}` },
            ...{ told: { type, at }, found: there ?? null },
          },
        ];
    }
  }
  return [];
}
