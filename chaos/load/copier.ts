/** One who saves a run as a file while others work on it, takes the file in as a run of his own, and has that one go on to its end. Some are deleted then. */

import type { RunView } from "../../src/client/index.ts";
import { Client, type Surroundings } from "../client.ts";
import { answerer } from "./answerer.ts";
import { follow } from "./follow.ts";
import { remove } from "./remove.ts";
import { settled } from "./settled.ts";
import { treasurer } from "./treasurer.ts";

export async function copier(around: Surroundings, name: string, run: string): Promise<void> {
  const client = new Client(around, name);
  const file = await client.file(`/v1/runs/${run}/export`);
  if (!file) return;
  const copy = await take(client, run, file);
  if (copy === undefined) return;
  const again = await client.file(`/v1/runs/${copy}/export`);
  if (!again) return;
  client.history.copy({ of: run, copy, file, again });
  const view = await client.get<RunView>(`/v1/runs/${copy}`);
  if (view?.status === "paused") await goOn(around, client, copy, view);
  if (client.over || client.random.chance(0.6)) return;
  await remove(client, copy, false);
}

/** To its end. */
async function goOn(around: Surroundings, client: Client, copy: string, view: RunView): Promise<void> {
  const follower = follow(new Client(around, `${client.name}-f`), copy);
  const budget = view.limits.tokens;
  const keeper = budget === null ? undefined : treasurer(new Client(around, `${client.name}-b`), copy, budget);
  const answering = answerer(new Client(around, `${client.name}-q`), copy);
  await client.ask(copy, { kind: "resume" }, { method: "POST", path: `/v1/runs/${copy}/resume` });
  await settled(client, copy);
  await client.ask(copy, { kind: "finish" }, { method: "POST", path: `/v1/runs/${copy}/finish` });
  await Promise.all([follower, keeper, answering]);
}

/** In one request, or cut somewhere into two; the copy's id, when all of it is in. */
async function take(client: Client, of: string, file: readonly string[]): Promise<string | undefined> {
  const act = { kind: "import", of } as const;
  const cut = client.random.chance(0.5) ? client.random.int(1, file.length - 1) : file.length;
  const request = { method: "POST" as const, path: "/v1/runs/import", lines: file.slice(0, cut) };
  // What begins one in parts is told how far that is.
  const begun = await client.ask("", act, request, { again: cut === file.length });
  if (begun.kind !== "told") return undefined;
  const { id } = begun.answer as { id: string };
  if (cut === file.length) return id;
  const path = `/v1/runs/import/${id}?after=${cut}`;
  const rest = await client.ask(
    "",
    act,
    { method: "POST", path, lines: file.slice(cut) },
    { named: true, again: false },
  );
  return rest.kind === "told" ? id : undefined;
}
