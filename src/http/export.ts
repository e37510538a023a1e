/**
 * A run as a file: JSON lines, streamed page by page as the client reads. The last line has the counts and the digest of all
 * before it, so that a file that was cut off, or changed, is noticed. What goes wrong once the answer has begun is told by a
 * line `{"problem"}` in the end's place.
 */

import { digestOf, noDigest } from "../context/line-digest.ts";
import type { ExportEnd } from "../contract/export-lines.ts";
import { Fault } from "../errors/fault.ts";
import type { ExportCursor, ExportPage, ExportPiece } from "../objects/rpc.ts";
import { streamOf } from "./live-events.ts";
import { ask } from "./objects.ts";
import { problemOf } from "./problem.ts";
import { keyRoute } from "./route.ts";

export const exportRoute = keyRoute(
  ["runs"],
  {
    method: "GET",
    path: "/v1/runs/:run/export",
    summary: "The whole run as JSON lines: contexts, log, tasks, variables; the last line has counts and a digest",
    answer: { status: 200, contentType: "application/x-ndjson" },
    problems: ["run_changing"],
  },
  async ({ theRun, params }) => {
    const object = theRun();
    const read = (cursor: ExportCursor | undefined) => ask(object.exportPage(cursor));
    const first = await read(undefined);
    return new Response(streamOf(exportLines(first, read)), {
      headers: {
        "content-type": "application/x-ndjson",
        "content-disposition": `attachment; filename="${params.run}.ndjson"`,
      },
    });
  },
);

/** The file's text, a page at a time. */
export async function* exportLines(
  first: ExportPage,
  read: (cursor: ExportCursor) => Promise<ExportPage>,
): AsyncGenerator<string, void, void> {
  const end: ExportEnd = { end: true, lines: 0, snapshots: 0, events: 0, tasks: 0, variables: 0, digest: noDigest };
  const counts = { header: 0, snapshot: 0, row: 0, task: 0, variable: 0, part: 0 };
  for (let page = first; ; ) {
    let text = "";
    for (const piece of page.pieces) {
      const line = lineOf(piece);
      end.digest = digestOf(end.digest, line);
      end.lines++;
      if (piece.first) counts[piece.kind]++;
      text += `${line}\n`;
    }
    const { cursor } = page;
    if (!cursor) {
      const { snapshot: snapshots, task: tasks, variable: variables } = counts;
      yield `${text}${JSON.stringify({ ...end, snapshots, events: eventsOf(first), tasks, variables })}\n`;
      return;
    }
    if (text !== "") yield text;
    try {
      page = await read(cursor);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      yield `${JSON.stringify({ problem: problemOf(error.data, `urn:uuid:${crypto.randomUUID()}`) })}\n`;
      return;
    }
  }
}

/** Events are numbered from 1: the last one's number, which the header has, is their count. */
const eventsOf = ({ pieces }: ExportPage): number => (JSON.parse(pieces[0]!.text) as { seq: number }).seq;

const lineOf = ({ text, first, more }: ExportPiece): string =>
  first && !more ? text : JSON.stringify({ piece: text, ...(more && { more }) });
