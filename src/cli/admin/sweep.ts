/** `heddle admin sweep`: whether the cron comes round, and which runs it can't visit. Its status is for what watches a server. */

import type { Sweep } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";
import { type Acts, asOperator } from "./shared.ts";

export const sweepActs: Acts = {
  list: {
    words: [],
    run: async ({ flags }) => {
      const sweep = await (await asOperator()).sweep();
      if (flags.json === true) sayJson(sweep);
      else saySweep(sweep);
      return sweep.failing_count === 0 ? exitStatus.ok : exitStatus.failed;
    },
  },
};

function saySweep({ passes, failing, failing_count: count }: Sweep): void {
  if (passes.length === 0) note("The cron sweep has not come yet: it comes once a minute.");
  else
    sayTable(
      [
        { title: "PASS", of: ({ name }) => name },
        { title: "BEGAN", of: ({ began_at: at }) => dateTime(at) },
        // Of one that goes on, and of one that broke off.
        { title: "TOOK", of: ({ began_at: from, ended_at: to }) => (to === null ? "-" : duration(to - from)) },
        { title: "VISITED", of: ({ visited }) => visited, align: "right" },
        { title: "FAILED", of: ({ failed }) => failed, align: "right" },
      ],
      passes,
    );
  if (count === 0) return;
  say("");
  sayTable(
    [
      { title: "TENANT", of: ({ tenant }) => tenant },
      { title: "RUN", of: ({ run }) => run },
      { title: "PASSES", of: (one) => one.passes, align: "right" },
      { title: "SINCE", of: ({ since }) => dateTime(since) },
      { title: "ERROR", of: ({ error }) => oneLine(error), least: 12 },
    ],
    failing,
  );
  note(`${count} ${count === 1 ? "run" : "runs"} could not be visited several passes in a row.`);
}
