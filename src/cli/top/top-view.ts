/** `heddle top` as lines: a screen for people, and one line where there is none. Pure, so that tests compare whole screens. */

import { duration } from "../../duration.ts";
import { watchIdleEveryMs } from "../../limits.ts";
import { availabilityLine } from "../look/availability-line.ts";
import { mostSeatsText } from "../look/seats-text.ts";
import { oneLine } from "../plain-text.ts";
import { bar, endedOf, questionsText, totalOf } from "../run/counts.ts";
import { type Colour, colourOf, type Paint, unpainted } from "../screen/colours.ts";
import { tableLines } from "../screen/table.ts";
import { cutText, textWidth } from "../screen/text-width.ts";
import type { TopState, Working } from "./top-state.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A piece of a line, with its colour. */
type Piece = string | readonly [text: string, colour: Colour | undefined];

/** A quiet run is asked for every `watchIdleEveryMs`; with nothing for so much longer the server is away, or busy. */
const awayMs = watchIdleEveryMs + 3000;

/** Those that anything is to be told of; none from a server that does not know of them yet. */
const refusedOf = ({ availability = [] }: Partial<TopState["run"]>) => availability.filter(({ why }) => why !== null);

/** The screen: no line wider than it, no more lines than it has. */
export function topLines(state: TopState, { columns, rows }: Size, now: number, paint: Paint = unpainted): string[] {
  const line = (...pieces: Piece[]): string => fitted(pieces, columns, paint);
  const { run } = state;
  const { counts } = run;
  const name = run.name === null ? "" : ` "${oneLine(run.name)}"`;
  const away = now - state.seenAt;
  const head = [
    line(
      `Run ${run.id}${name}: `,
      [run.status, colourOf(run.status)],
      run.reason === null ? "" : ` (${oneLine(run.reason)})`,
      `, ${duration((run.ended_at ?? now) - run.created_at)}`,
      away > awayMs && run.ended_at === null ? [`  no answer for ${duration(away)}`, "yellow"] : "",
    ),
    line(`${bar(counts, 30)} ${endedOf(counts)}/${totalOf(counts)} ended`, endedText(state)),
    field(line, "seats", `${run.seats.open} used of ${mostSeatsText(run)}, ${run.seats.target} wanted`),
    field(
      line,
      "tasks",
      `${counts.running} running, ${counts.ready} ready, ${counts.parked} parked, ${counts.waiting} waiting`,
    ),
    field(line, "parked", parkedText(state)),
    run.questions > 0 ? line(["asks    ", "dim"], [questionsText(run), "yellow"]) : "",
    ...refusedOf(run).map((view) => field(line, "provider", availabilityLine(view, now))),
    field(line, "tokens", tokensText(state)),
    field(line, "cost", costText(state)),
    field(line, "events", `${state.rate(now).toFixed(1)}/s, the last #${state.seq}`),
  ].filter((text) => text !== "");
  const findings = findingLines(state, line);
  const room = Math.max(0, rows - head.length - (findings.length > 0 ? findings.length + 1 : 0) - 1);
  const tasks = tableLines(tableColumns(now), state.working().slice(0, Math.max(0, room - 1)), {
    width: columns,
    paint,
  });
  return [
    ...head,
    ...(tasks.length > 1 ? ["", ...tasks] : []),
    ...(findings.length > 0 ? ["", ...findings] : []),
  ].slice(0, rows);
}

/** The same in one line, for a log. */
export function topLine(state: TopState, now: number): string {
  const { run } = state;
  const { counts } = run;
  const parts = [
    `${run.status} ${duration((run.ended_at ?? now) - run.created_at)}`,
    `${endedOf(counts)}/${totalOf(counts)} ended${endedText(state)}`,
    `${counts.running} running, ${counts.ready} ready, ${counts.parked} parked, ${counts.waiting} waiting`,
    `seats ${run.seats.open}/${run.limits.workers}`,
    tokensText(state),
    costText(state),
    `${state.rate(now).toFixed(1)} events/s`,
    run.findings > 0 ? `${run.findings} findings` : "",
    run.questions > 0 ? `${run.questions} questions` : "",
  ];
  return parts.filter(Boolean).join("; ");
}

/** The same for programs. */
export function topJson(state: TopState, now: number): object {
  const { run } = state;
  return {
    at: now,
    run: run.id,
    status: run.status,
    reason: run.reason,
    counts: run.counts,
    seats: { ...run.seats, limit: run.limits.workers },
    parked_on: Object.fromEntries(state.parkedOn()),
    usage: run.usage,
    left: { tokens: leftOf(run.limits.tokens, run.usage.tokens), usd: leftOf(run.limits.usd, run.cost) },
    events_per_second: Number(state.rate(now).toFixed(1)),
    last_seq: state.seq,
    working: state.working().map(({ name, progress, ...more }) => ({
      ...more,
      name: name || null,
      progress: progress || null,
    })),
    findings: run.findings,
    questions: run.questions ?? 0,
    latest_findings: state.findings,
  };
}

const field = (line: (...pieces: Piece[]) => string, name: string, text: string): string =>
  text === "" ? "" : line([name.padEnd(8), "dim"], text);

function endedText({ run: { counts } }: TopState): string {
  const bad = (["failed", "cancelled", "skipped"] as const).filter((state) => counts[state] > 0);
  return bad.length === 0 ? "" : ` (${bad.map((state) => `${counts[state]} ${state}`).join(", ")})`;
}

const parkedText = (state: TopState): string =>
  state
    .parkedOn()
    .map(([what, tasks]) => `${tasks} on ${oneLine(what)}`)
    .join(", ");

function tokensText({ run: { usage, limits } }: TopState): string {
  const { input_tokens: input, output_tokens: output, cache_read_tokens: read } = usage;
  if (input + output === 0 && limits.tokens === null) return "";
  const cached = input > 0 && read > 0 ? ` (${Math.round((100 * read) / input)}% from caches)` : "";
  const left = leftOf(limits.tokens, usage.tokens);
  return `${counted(input)} in${cached}, ${counted(output)} out${left === null ? "" : `, ${counted(left)} left`}`;
}

function costText({ run: { cost, usage, limits } }: TopState): string {
  if (usage.tokens === 0 && limits.usd === null) return "";
  if (cost === null) return "not all known: some of the models have no price";
  const left = leftOf(limits.usd, cost);
  return `$${cost.toFixed(4)}${usage.simulated ? " (simulated)" : ""}${left === null ? "" : `, $${left.toFixed(4)} left`}`;
}

const leftOf = (limit: number | null, used: number | null): number | null =>
  limit === null || used === null ? null : Math.max(0, limit - used);

const counted = (n: number): string => n.toLocaleString("en-US");

const tableColumns = (now: number) =>
  [
    { title: "TASK", of: ({ id }: Working) => id },
    { title: "NAME", of: ({ name }: Working) => name, least: 8 },
    { title: "WORKS FOR", of: ({ since }: Working) => duration(Math.max(0, now - since)), align: "right" },
    { title: "TURNS", of: ({ turns }: Working) => turns, align: "right" },
    { title: "PROGRESS", of: ({ progress }: Working) => progress, least: 12 },
  ] as const;

function findingLines(state: TopState, line: (...pieces: Piece[]) => string): string[] {
  const { findings } = state;
  if (findings.length === 0) return [];
  const all = Math.max(state.run.findings, findings.length);
  return [
    line([`FINDINGS${all > findings.length ? `, the last ${findings.length} of ${all}` : ""}`, "dim"]),
    ...findings.map(({ kind, severity, message }) =>
      line([severity, colourOf(severity)], ` ${kind}: ${oneLine(message)}`),
    ),
  ];
}

/** The pieces in one line, cut where it ends; colours are never cut. */
function fitted(pieces: readonly Piece[], width: number, paint: Paint): string {
  let left = width;
  let out = "";
  for (const piece of pieces) {
    const [text, colour] = typeof piece === "string" ? ([piece, undefined] as const) : piece;
    if (text === "" || left <= 0) continue;
    const cut = cutText(text, left);
    out += paint(cut, colour);
    left -= textWidth(cut);
    if (cut !== text) break;
  }
  return out.trimEnd();
}
