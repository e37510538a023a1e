/** What a chaos run prints: a table of what was promised and what was broken, and the evidence. */

import type { Copied } from "./history.ts";
import type { ChaosOutcome } from "./run.ts";

export function report({ world, violations, outages, settledMs, wallMs }: ChaosOutcome, seed: number): string {
  const calls = (kind: string) => world.calls.filter(({ outcome }) => outcome.kind === kind).length;
  const broken = (sort: string) => violations.filter((one) => one.sort === sort).length;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
  const found = Object.values(world.found);
  const down = (how: string) => outages.filter((one) => one.how === how).length;
  const ended = (how: string) => world.lives.filter((one) => one.how === how).length;
  const did = (what: string) => world.deeds.filter((one) => one.what === what).length;
  const events = (type: string, field: string, value: string) =>
    sum(found.map((f) => f.events.filter((event) => event.type === type && event[field] === value).length));
  const rows: [string, string | number][] = [
    ["killed at once · one by one · replaced", `${down("kill")} · ${down("torn")} · ${down("replaced")}`],
    ["calls: told · refused · outcome unknown", `${calls("told")} · ${calls("refused")} · ${calls("unknown")}`],
    [
      "attempts · of them cut off",
      `${sum(world.calls.map((c) => c.attempts))} · ${sum(world.calls.map((c) => c.cuts))}`,
    ],
    ["repeats of answered calls", sum(world.calls.map(({ again }) => again.length))],
    [
      "runs · tasks · events",
      `${found.length} · ${sum(found.map((f) => f.tasks.length))} · ${sum(found.map((f) => f.events.length))}`,
    ],
    [
      "attempts of tasks that died",
      sum(found.map(({ events }) => events.filter(({ type }) => type === "attempt_ended").length)),
    ],
    [
      "streams: connections · events",
      `${sum(world.followed.map((f) => f.connections))} · ${sum(world.followed.map((f) => f.events.length))}`,
    ],
    [
      "messages of webhooks: taken · of them again",
      `${world.received.length} · ${world.received.length - new Set(world.received.map(({ id }) => id)).size}`,
    ],
    [
      "calls of tools: carried out · failed first",
      `${world.stamped.filter(({ stamp }) => stamp !== null).length} · ${world.stamped.filter(({ stamp }) => stamp === null).length}`,
    ],
    [
      "processes of heddle work: stopped · by force · killed",
      `${ended("stopped")} · ${ended("forced")} · ${ended("killed")}`,
    ],
    [
      "their commands: begun · done; given back",
      `${did("begun")} · ${did("done")}; ${sum(world.lives.map(({ worked }) => worked.filter(({ said }) => said === "given back").length))}`,
    ],
    [
      "groups met · failed; stand-ins",
      `${events("group_decided", "verdict", "met")} · ${events("group_decided", "verdict", "failed")}; ${sum(
        found.map((f) => f.tasks.filter(({ stands_in_for }) => stands_in_for !== null).length),
      )}`,
    ],
    ["pauses for a budget", events("run_paused", "reason", "budget")],
    [
      "files of runs: taken in · while they went on",
      `${world.copied.length} · ${world.copied.filter(isOfLive).length}`,
    ],
    [
      "tenants · of them deleted",
      `${world.tenants.length} · ${world.tenants.filter(({ status }) => status === "deleted").length}`,
    ],
    ["runs deleted at work", world.deleted.filter(({ isLive }) => isLive).length],
    ["times asked what was used", new Set(world.used.map(({ at }) => at)).size],
    ["settled after the last restart, s", (settledMs / 1000).toFixed(1)],
    ["wall time, s", (wallMs / 1000).toFixed(0)],
    ["acknowledged and lost", broken("lost")],
    ["applied twice", broken("twice")],
    ["stuck", broken("stuck")],
    ["otherwise wrong", broken("wrong")],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const evidence = violations
    .slice(0, 40)
    .map(
      ({ sort, rule, run, about, told, found: there }) =>
        `${sort}: ${rule}\n  ${run} ${about}\n  told:  ${short(told)}\n  found: ${short(there)}`,
    );
  const more = violations.length > 40 ? [`… and ${violations.length - 40} more`] : [];
  return [...lines, "", ...evidence, ...more, `again: npm run chaos -- --seed ${seed}`].join("\n");
}

const isOfLive = ({ file }: Copied): boolean => /^.*?"status":"(active|paused)"/.test(file[0]!);

const short = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 400);
