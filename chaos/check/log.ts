/** The log itself: whole, each thing once, and what followers and counts say of it. */

import type { EventView, TaskView } from "../../src/client/index.ts";
import type { FoundRun, World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import type { Broken } from "./violation.ts";

export function logRules(world: World, ids: RunIds, found: FoundRun): Broken[] {
  return [
    ...contiguous(found.events),
    ...once(found),
    ...followed(world, ids.run, found),
    ...metered(found),
    ...pauses(world, ids, found),
  ];
}

function contiguous(events: readonly EventView[]): Broken[] {
  const at = events.findIndex(({ seq }, i) => seq !== i + 1);
  if (at < 0) return [];
  return [{ sort: "lost", rule: "the log has no gap", about: `event ${at + 1}`, told: at + 1, found: events[at]!.seq }];
}

/** Tasks begin once and end once a generation, turns are counted without a gap, fences rise. */
function once(found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const created = new Set<string>();
  const ended = new Set<string>();
  const turns = new Map<string, number>();
  const done = new Set<string>();
  let fence = 0;
  for (const event of found.events) {
    const { seq, type } = event;
    const task = event.task ?? "";
    const twice = (rule: string, told: unknown = null) =>
      broken.push({ sort: "twice", rule, about: `${task} ${type}`, told, found: seq });
    if (type === "task_created") {
      if (created.has(task)) twice("a task is created once");
      created.add(task);
    } else if (type === "task_ended") {
      if (ended.has(task)) twice("a task ends once in a generation");
      ended.add(task);
    } else if (type === "task_retried") {
      ended.delete(task);
      turns.delete(task);
      for (const name of [...done]) if (name.startsWith(`${task} `)) done.delete(name);
    } else if (type === "turn") {
      const before = turns.get(task) ?? 0;
      if (event.turn !== before + 1) {
        const sort = (event.turn as number) <= before ? "twice" : "lost";
        broken.push({ sort, rule: "turns are logged once each", about: task, told: before + 1, found: event.turn });
      }
      turns.set(task, event.turn as number);
    } else if (type === "call_done" && !task.startsWith("A")) {
      const name = `${task} ${turns.get(task) ?? 0} ${event.call}`;
      if (done.has(name)) twice("a call is answered once", event.call);
      done.add(name);
    } else if (type === "task_started") {
      if ((event.fence as number) <= fence) twice("fences rise", fence);
      fence = event.fence as number;
    }
  }
  for (const { id } of found.tasks)
    if (!created.has(id)) broken.push({ sort: "lost", rule: "a task is in the log", about: id, told: id, found: null });
  return broken;
}

function followed(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  for (const follower of world.followed) {
    if (follower.run !== run) continue;
    const about = `${follower.client} (${follower.connections} connections)`;
    follower.events.forEach(({ seq, type, at }, i) => {
      if (seq !== i + 1 && (follower.events[i - 1]?.seq ?? 0) !== seq - 1) {
        const sort = seq <= (follower.events[i - 1]?.seq ?? 0) ? "twice" : "lost";
        broken.push({ sort, rule: "a follower sees each event once", about, told: i + 1, found: seq });
      }
      const there = found.events[seq - 1];
      if (there?.type !== type || there.at !== at)
        broken.push({
          ...{ sort: "lost", rule: "an event that was sent is in the log", about },
          ...{ told: { seq, type, at }, found: there ?? null },
        });
    });
    if (!follower.ended)
      broken.push({
        ...{ sort: "stuck", rule: "a follower comes to the end", about },
        ...{ told: follower.events.length, found: found.events.length },
      });
    else if (follower.events.length !== found.events.length)
      broken.push({
        ...{ sort: "lost", rule: "a follower sees all events", about },
        ...{ told: follower.events.length, found: found.events.length },
      });
  }
  return broken;
}

const meters = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] as const;

/** The run's usage, its tasks' and its events' are three sums of the same calls. */
function metered(found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  for (const meter of meters) {
    const logged = sum(found.events.map(({ usage }) => (usage as TaskView["usage"] | undefined)?.[meter] ?? 0));
    const tasks = sum(found.tasks.map(({ usage }) => usage[meter]));
    const run = found.run.usage[meter];
    if (run !== logged || run !== tasks)
      broken.push({
        ...{ sort: run > logged ? "twice" : "lost", rule: "usage is the sum of what was logged", about: meter },
        ...{ told: { run, tasks }, found: logged },
      });
  }
  return broken;
}

const sum = (list: readonly number[]): number => list.reduce((total, one) => total + one, 0);

/** Those by hand: a run pauses by itself too, and goes on when its budget is raised where that was what it waited for. */
function pauses(world: World, { run, from }: RunIds, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const waitedFor = (seq: number) => found.events.findLast((one) => one.type === "run_paused" && one.seq < seq)?.reason;
  const byHand = {
    pause: ({ type, reason }: EventView) => type === "run_paused" && reason === "asked",
    resume: ({ type, seq }: EventView) =>
      type === "run_resumed" && !(waitedFor(seq) === "budget" && found.events[seq - 2]?.type === "limits_changed"),
  };
  for (const kind of ["pause", "resume"] as const) {
    const calls = world.calls.filter((call) => call.run === run && call.act.kind === kind);
    const sure = calls.filter(({ outcome }) => outcome.kind === "told").length;
    const most = sure + calls.filter(({ outcome }) => outcome.kind === "unknown").length;
    const times = found.events.slice(from).filter(byHand[kind]).length;
    const about = { rule: `a ${kind} is in the log once`, about: "the run", told: { least: sure, most }, found: times };
    if (times < sure) broken.push({ sort: "lost", ...about });
    if (times > most) broken.push({ sort: "twice", ...about });
  }
  return broken;
}
