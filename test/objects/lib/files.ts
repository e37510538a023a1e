/** Runs as files, through the objects: exported, changed and imported. */

import { digestOf, noDigest } from "../../../src/context/line-digest.ts";
import { exportLines } from "../../../src/http/export.ts";
import { type RunId, runIdLike } from "../../../src/ids.ts";
import type { Imported, Reply } from "../../../src/objects/rpc.ts";
import { newTenant, TestRun, value } from "./runs.ts";

/** The file's lines. */
export async function exported(run: TestRun): Promise<string[]> {
  const first = value(await run.rpc.exportPage(undefined));
  const texts: string[] = [];
  for await (const text of exportLines(first, async (cursor) => value(await run.rpc.exportPage(cursor))))
    texts.push(text);
  return texts.join("").trimEnd().split("\n");
}

/** Where a file of `run` is imported: another tenant's, under a new id. */
export const copyOf = (run: TestRun): TestRun =>
  new TestRun(newTenant(), runIdLike(run.id as RunId, crypto.getRandomValues(new Uint8Array(14))));

export const send = (copy: TestRun, lines: readonly string[], after = 0): Promise<Reply<Imported>> =>
  copy.rpc.importLines({ tenant: copy.tenant, run: copy.id, after, lines });

export async function imported(run: TestRun, lines: readonly string[]): Promise<TestRun> {
  const copy = copyOf(run);
  value(await send(copy, lines));
  return copy;
}

/** The lines with an end that fits them: what a forger would write. */
export function resealed(lines: readonly string[]): string[] {
  const body = lines.slice(0, -1);
  const end = JSON.parse(lines.at(-1)!) as object;
  const digest = body.reduce(digestOf, noDigest);
  return [...body, JSON.stringify({ ...end, lines: body.length, digest })];
}

/** Without what tells where and when it was exported. */
export const comparable = (lines: readonly string[]): string[] =>
  resealed([
    ...lines.slice(0, 1).map((line) => JSON.stringify({ ...JSON.parse(line), run: "", exported_at: 0 })),
    ...lines.slice(1),
  ]);
