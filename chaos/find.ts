/** Reads what is there at the end, run by run, over HTTP. */

import type { EventView, RunRow, RunView, TaskView, VariableView } from "../src/client/index.ts";
import { isAsListed } from "./check/listed.ts";
import { plannedOf } from "./check/ops.ts";
import type { Client } from "./client.ts";
import type { FoundRun, FoundVariable, History, World } from "./history.ts";

/** What the server puts right by itself it has put right by then: its sweep comes once a minute. */
export const sweptMs = 125_000;

/** Everything that the checker compares with the history. A run that can't be read is listed, and not found. */
export async function findAll(client: Client): Promise<Pick<World, "found" | "listed">> {
  const found: Record<string, FoundRun> = {};
  const list = () => pages<RunRow>(client, "/v1/runs", "runs", "cursor");
  let listed = await list();
  for (const { id } of listed) {
    const one = await findRun(client, id);
    if (one) found[id] = one;
  }
  // The list and the run itself are two places.
  for (const { run } of client.history.deleted) {
    const one = await findRun(client, run);
    if (one) found[run] = one;
  }
  const isRight = () => listed.every((row) => isAsListed(row, found[row.id]?.run));
  for (const until = Date.now() + sweptMs; !isRight() && Date.now() < until && !client.over; listed = await list())
    await client.pause(500);
  return { found, listed };
}

/** A run's whole log. */
export const eventsOf = (client: Client, run: string): Promise<EventView[]> =>
  pages<EventView>(client, `/v1/runs/${run}/events`, "events", "after");

async function findRun(client: Client, id: string): Promise<FoundRun | undefined> {
  const path = `/v1/runs/${id}`;
  const run = await client.get<RunView>(path);
  if (!run) return undefined;
  const tasks = await pages<TaskView>(client, `${path}/tasks`, "tasks", "cursor");
  const transcripts: Record<string, string> = {};
  for (const task of readOf(client.history, id, tasks))
    transcripts[task] = JSON.stringify(await client.get(`${path}/tasks/${task}/context`));
  const variables: Record<string, FoundVariable> = {};
  for (const variable of await pages<VariableView>(client, `${path}/variables`, "variables", "cursor"))
    variables[variable.name] = await findVariable(client, path, variable);
  return {
    ...{ run, tasks, transcripts, variables },
    events: await eventsOf(client, id),
    head: JSON.stringify(await client.get(`${path}/snapshots/${run.snapshot}`)),
  };
}

/** The tasks whose transcripts are looked at: those that somebody told something, and those that called somebody's tools. */
function readOf({ calls }: History, run: string, tasks: readonly TaskView[]): ReadonlySet<string> {
  const told = calls.flatMap(({ run: of, act }) =>
    of === run && (act.kind === "message" || act.kind === "turn") ? [act.task] : [],
  );
  const callers = new Set(
    calls.flatMap((call) => plannedOf(call).flatMap(({ key, words }) => (words === undefined ? [] : [key]))),
  );
  return new Set([...told, ...tasks.filter(({ key }) => key !== null && callers.has(key)).map(({ id }) => id)]);
}

export async function pages<Row>(client: Client, path: string, name: string, by: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const query: string = cursor === "" ? "?limit=1000" : `?limit=1000&${by}=${cursor}`;
    const page: Record<string, unknown> | undefined = await client.get(path + query);
    if (!page) break;
    rows.push(...(page[name] as Row[]));
    cursor = (page.next_cursor as string | null) ?? null;
  }
  return rows;
}

async function findVariable(client: Client, run: string, { name, kind }: VariableView): Promise<FoundVariable> {
  const look = async (op: string, more: object = {}) => {
    const path = `${run}/tools/${kind}`;
    for (;;) {
      const answer = await client.once({ method: "POST", path, body: { arguments: { op, name, ...more } } });
      const { result } = (answer ?? {}) as { result?: Record<string, unknown> };
      if (result || client.over) return result ?? {};
      await client.pause(50, 200);
    }
  };
  switch (kind) {
    case "atomic":
      return { kind, value: (await look("get")).value as number };
    case "shared_map": {
      const entries = (await look("entries", { limit: 1000 })).entries as { key: string; value: unknown }[];
      return { kind, entries: Object.fromEntries((entries ?? []).map(({ key, value }) => [key, value])) };
    }
    case "shared_list": {
      const items: unknown[] = [];
      for (;;) {
        const { items: some, size } = await look("slice", { start: items.length });
        items.push(...((some as unknown[] | undefined) ?? []));
        if (items.length >= ((size as number | undefined) ?? 0)) return { kind, items };
      }
    }
    case "shared_memory": {
      let text = "";
      for (let from: unknown = 0; from !== undefined && from !== null; ) {
        const part = await look("read", { from });
        text += part.text ?? "";
        from = part.next;
      }
      return { kind, text };
    }
    case "message_queue": {
      // It was emptied by pops on record; what is left nevertheless has no name, and counts as what nobody pushed.
      const { size } = await look("size");
      return { kind, messages: Array.from({ length: (size as number | undefined) ?? 0 }, () => "(left behind)") };
    }
    case "future": {
      const { state, value } = await look("peek");
      return { kind, value, settled: state === "resolved" };
    }
    default:
      return { kind: "other" };
  }
}
