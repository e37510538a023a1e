/**
 * Taking a run in from its file. A file that fits one request is sent as one; a longer one in as many as it takes, each with
 * the next lines. The run is there when its last line is.
 */

import * as z from "zod";
import type { Quotas } from "../contract/admin-requests.ts";
import { lineOf } from "../contract/export-lines.ts";
import { overfullJson } from "../contract/json-bounds.ts";
import { queryInt } from "../contract/paging.ts";
import { importedView } from "../contract/responses.ts";
import { Fault } from "../errors/fault.ts";
import { type RunId, runIdLike } from "../ids.ts";
import { importBatchChars, importLineBytesMax } from "../limits.ts";
import type { Idem, Imported } from "../objects/rpc.ts";
import { deleteRun, insertRun, setImportedRow } from "../storage/d1/run-index.ts";
import { pricesOf } from "../storage/d1/tenants.ts";
import { tenantRulesOf } from "../tenant-rules.ts";
import type { HttpEnv } from "./env.ts";
import { ask, runObject } from "./objects.ts";
import { keyRoute } from "./route.ts";
import { sha256 } from "./secrets.ts";

const scopes = ["runs"] as const;
const problems = ["import_invalid", "import_too_large", "context_too_large", "result_too_large"] as const;

export const importRoutes = [
  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/import",
      stores: "file",
      summary: "Import a run from the lines of its export, or from the first of them",
      lines: true,
      answer: { status: 201, schema: importedView },
      problems,
    },
    async ({ env, tenant, quotas, text, idem }) => {
      const lines = linesOf(text);
      const id = await newRunId(tenant, headerOf(lines[0] ?? ""), idem?.key);
      return taken({ env, tenant, quotas }, id, 0, lines, idem);
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/import/:import",
      anew: true,
      stores: "file",
      summary: "Go on with an import: the lines that follow the first `after` ones; what is in already is skipped",
      query: z.strictObject({
        after: queryInt(1, Number.MAX_SAFE_INTEGER).describe("Lines of the file before these."),
      }),
      lines: true,
      answer: { status: 200, schema: importedView },
      problems: [...problems, "import_gap"],
    },
    ({ env, tenant, quotas, params, query, text }) =>
      taken({ env, tenant, quotas }, params.import as RunId, query.after, linesOf(text), undefined),
  ),
];

/** @throws Fault import_too_large */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new Fault("import_invalid", "there is no line");
  for (const [i, line] of lines.entries())
    if (line.length > importLineBytesMax) throw new Fault("import_too_large", `line ${i + 1} of this request`);
  return lines;
}

/** The run that the file is of. @throws Fault import_invalid */
function headerOf(text: string): RunId {
  const wrong = (why: string) => new Fault("import_invalid", `line 1: ${why}`);
  const overfull = overfullJson(text);
  if (overfull !== undefined) throw wrong(overfull);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("no JSON");
  }
  const line = lineOf(value);
  if (line.kind === "header") return line.value.run as RunId;
  throw wrong(line.kind === "wrong" ? line.why : "no header of an export");
}

/** As for a new run, a repeat with the same Idempotency-Key must reach the same object. */
async function newRunId(tenant: string, like: RunId, idempotencyKey: string | undefined): Promise<RunId> {
  if (idempotencyKey === undefined) return runIdLike(like, crypto.getRandomValues(new Uint8Array(14)));
  return runIdLike(like, await sha256(`heddle import\n${tenant}\n${idempotencyKey}`));
}

async function taken(
  { env, tenant, quotas }: { readonly env: HttpEnv; readonly tenant: string; readonly quotas: Quotas },
  id: RunId,
  after: number,
  lines: readonly string[],
  idem: Idem | undefined,
): Promise<Imported & { id: string }> {
  const send = (from: number, batch: readonly string[], more: { prices?: string } = {}) =>
    ask(runObject(env, tenant, id).importLines({ tenant, run: id, after: from, lines: batch, ...more }, idem));
  let at = 0;
  for (let end = batchEnd(lines, at); end < lines.length; end = batchEnd(lines, at)) {
    await send(after + at, lines.slice(at, end));
    at = end;
  }
  if (!endsFile(lines.at(-1)!)) return { id, ...(await send(after + at, lines.slice(at))) };
  // The row comes first, as for a run that is created: an object without one would never be swept.
  const row = { tenant, id, name: null, createdAt: Date.now() };
  const inserted = await insertRun(env.DB, row, quotas.runs);
  try {
    const prices = await pricesOf(env.DB, tenant);
    const done = await send(after + at, lines.slice(at), prices === null ? {} : { prices });
    // In place of those of the tenant that it comes from.
    await ask(runObject(env, tenant, id).holdToTenant(await tenantRulesOf(env.DB, tenant)));
    if (done.run) await setImportedRow(env.DB, row, done.run);
    return { id, ...done };
  } catch (error) {
    if (inserted && error instanceof Fault && error.data.code !== "overloaded") await deleteRun(env.DB, row);
    throw error;
  }
}

const endsFile = (line: string): boolean => /^\s*\{\s*"end"/.test(line);

/** Where the lines from `at` on have enough for one call; at least one is in it. */
function batchEnd(lines: readonly string[], at: number): number {
  let chars = 0;
  let end = at;
  while (end < lines.length && (end === at || chars + lines[end]!.length <= importBatchChars))
    chars += lines[end++]!.length;
  return end;
}
