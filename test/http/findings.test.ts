/** Findings in pages: of a log that goes on meanwhile, and of one that is too long to be folded. */

import { expect, test } from "vitest";
import { listFindings } from "../../src/http/findings.ts";
import type { RunId } from "../../src/ids.ts";
import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";

const run = "run_abcdefghjkmnpqrstvwx" as RunId;

interface Logged {
  readonly kind: string;
}

/** An object whose log holds these findings, a row each, and that lists them by itself too. */
function objectOf(logged: Logged[]): RunSchedulerRpc {
  const event = ({ kind }: Logged) => ({ type: "finding", kind, severity: "info", subjects: [1], message: kind });
  const object: Pick<RunSchedulerRpc, "logPage" | "findings"> = {
    logPage: async (after) => ({
      ok: true,
      value: {
        rows: logged
          .map((one, i) => ({ seq: i + 1, at: 1000 + i, events: JSON.stringify([event(one)]) }))
          .filter(({ seq }) => seq > after)
          .slice(0, 2),
        last: logged.length,
        now: 5000,
      },
    }),
    findings: async ({ limit, cursor = "0" }) => {
      const from = Number(cursor);
      const rows = logged.slice(from, from + limit).map(({ kind }, i) => ({
        ...{
          id: `F${from + i + 1}`,
          at: 1000,
          kind,
          severity: "info" as const,
          subjects: [],
          evidence: [from + i + 1],
        },
        message: kind,
      }));
      const next = from + limit;
      return { ok: true, value: { rows, nextCursor: next < logged.length ? String(next) : null } };
    },
  };
  return object as RunSchedulerRpc;
}

async function pages(
  object: RunSchedulerRpc,
  eventsMax?: number,
  between: () => void = () => undefined,
): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | undefined; found.length < 10; ) {
    const page = await listFindings(object, run, { limit: 2, ...(cursor !== undefined && { cursor }) }, eventsMax);
    found.push(page.findings.map(({ kind }) => kind));
    if (page.next_cursor === null) return found;
    cursor = page.next_cursor;
    between();
  }
  throw new Error("there is no end");
}

test("pages of one list are as of one event, whatever is logged between them", async () => {
  const logged = ["a", "b", "c", "d", "e"].map((kind) => ({ kind }));
  expect(await pages(objectOf(logged), 100, () => void logged.push({ kind: "late" }))).toEqual([
    ["a", "b"],
    ["c", "d"],
    ["e"],
  ]);
});

test("a log that is too long is listed by what the run noticed itself, page by page to its end", async () => {
  const logged = ["a", "b", "c", "d", "e"].map((kind) => ({ kind }));
  expect(await pages(objectOf(logged), 4)).toEqual([["a", "b"], ["c", "d"], ["e"]]);
});

test.each(["", "3", "1.2.x", `1.2.${"9".repeat(16)}`])(
  "%j, a cursor that is none of this list, is refused",
  async (cursor) => {
    await expect(listFindings(objectOf([{ kind: "a" }]), run, { limit: 2, cursor })).rejects.toMatchObject({
      data: { code: "validation_failed", errors: [{ path: "cursor", message: "not a cursor of this list" }] },
    });
  },
);
