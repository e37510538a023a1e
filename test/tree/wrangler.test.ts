/** What two files must agree on: the bounds in src/limits.ts, and queues and limits as wrangler.toml declares them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seatRetriesMax, seatShards, seatsPerBatch, subrequestsMax } from "../../src/limits.ts";
import { deadSeatsQueue } from "../../src/objects/seat-rpc.ts";

const config = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");

test.each(["wrangler.toml", "wrangler.local.toml"])(
  "%s has a queue for each shard, with batches of a seat's size",
  (name) => {
    const text = config(name);
    const consumers = [...text.matchAll(/\{ queue = "(heddle-seats-\d+)", max_batch_size = (\d+)/g)];
    expect(consumers.map(([, queue]) => queue)).toEqual(
      Array.from({ length: seatShards }, (_, i) => `heddle-seats-${i}`),
    );
    expect(consumers.map(([, , size]) => Number(size))).toEqual(
      Array.from({ length: seatShards }, () => seatsPerBatch),
    );
  },
);

test.each(["wrangler.toml", "wrangler.local.toml"])(
  "%s sends dead letters of all shards to the queue that is drained",
  (name) => {
    const text = config(name);
    const consumers = [
      ...text.matchAll(/\{ queue = "heddle-seats-\d+",.*max_retries = (\d+), dead_letter_queue = "(.*)" \}/g),
    ];
    expect(consumers.map(([, retries, dead]) => [Number(retries), dead])).toEqual(
      Array.from({ length: seatShards }, () => [seatRetriesMax, deadSeatsQueue]),
    );
    expect(text).toContain(`{ queue = "${deadSeatsQueue}", max_batch_size = 100,`);
  },
);

test.each(["wrangler.toml", "wrangler.local.toml"])(
  "%s asks for the subrequests that an invocation may need",
  (name) => {
    expect(config(name)).toContain(`\nsubrequests = ${subrequestsMax}\n`);
  },
);

test("a deployment keeps lines that somebody wrote, and none for each call of an object", () => {
  expect(config("wrangler.toml")).toContain("[observability.logs]\nenabled = true\ninvocation_logs = false\n");
});

test("both files declare the same bindings, migrations and crons", () => {
  const shared = (name: string) => config(name).slice(config(name).indexOf("[limits]"));
  const local = shared("wrangler.local.toml")
    .replace(/\n {2}\{ name = "FAULTS".*\}, *(?=\n)/, "")
    .replace(', "SimulatedFaults"', "");
  expect(local.replace(/\s/g, "")).toBe(shared("wrangler.toml").replace(/\s/g, ""));
});
