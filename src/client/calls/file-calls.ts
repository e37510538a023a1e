/** A run as a file, and a run from one. */

import { importWaitMs } from "../../limits.ts";
import { BrokenExport, isProblem } from "../errors.ts";
import type { Imported, RunView } from "../replies.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { WebhookCalls } from "./webhook-calls.ts";

/** A run as a file, and a run from one. */
export class FileCalls extends WebhookCalls {
  /**
   * The run's file, line by line, checked as it passes: the last line comes only when all before it are whole.
   * Not repeated: a stream that breaks is begun again by the caller. @throws BrokenExport, HeddleProblem `run_changing`
   */
  async *exportRun(run: string, options: CallOptions = {}): AsyncGenerator<string, void, void> {
    const { response, leave } = await this.transport.stream({
      ...options,
      method: "GET",
      path: `${at(run)}/export`,
      accept: "application/x-ndjson",
    });
    try {
      const { checkedLines, linesOf } = await files();
      yield* checkedLines(linesOf(response.body as unknown as AsyncIterable<Uint8Array>));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isProblem(error) || error instanceof BrokenExport) throw error;
      throw new BrokenExport(`the connection broke off: ${(error as Error).message}`, { cause: error });
    } finally {
      leave();
    }
  }

  /**
   * A new run from the lines of a file, in as many requests as it takes; each is repeated as other calls are.
   * `progress` hears of the lines that are in. Nothing is there unless all of it is. @throws BrokenExport, HeddleProblem
   */
  async importRun(
    lines: AsyncIterable<string> | Iterable<string>,
    options: CallOptions & { readonly progress?: (lines: number) => void } = {},
  ): Promise<RunView> {
    const { progress, idempotencyKey, ...call } = options;
    const { checkedLines, requestsOf } = await files();
    let id: string | undefined;
    for await (const request of requestsOf(checkedLines(asAsync(lines)))) {
      const path = id === undefined ? "/v1/runs/import" : `/v1/runs/import/${encodeURIComponent(id)}`;
      const query = id === undefined ? {} : { after: request.after };
      const taken: Imported = await this.transport.json({
        ...call,
        ...(idempotencyKey !== undefined && { idempotencyKey: `${idempotencyKey}.${request.after}` }),
        method: "POST",
        path,
        query,
        lines: request.text,
        waitMs: importWaitMs,
      });
      id = taken.id;
      progress?.(taken.lines);
      if (taken.run) return taken.run;
    }
    throw new BrokenExport("the server did not take the last line for the end");
  }
}

/** Only when there is a file. */
const files = () => import("../run-files.ts");

async function* asAsync(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string, void, void> {
  yield* lines;
}
