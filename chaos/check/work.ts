/**
 * What became of tasks that `heddle work` carried out, by three witnesses: the log, what each worker was told, and what its commands did.
 */

import type { EventView, TaskView } from "../../src/client/index.ts";
import type { FoundRun, Life, World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import { plannedOf, postsOf } from "./ops.ts";
import type { Broken } from "./violation.ts";

/** The fence that a task's result says it is of. */
export function fenceIn({ key, result }: TaskView): number | undefined {
  const [, of, fence] = /^done (\S+) by (\d+)$/.exec(String(result)) ?? [];
  return of === key ? Number(fence) : undefined;
}

export function workRules(world: World, ids: RunIds, found: FoundRun): Broken[] {
  const leases = leasesIn(found.events);
  return [...done(world, ids.run, leases), ...told(world, ids.run, leases), ...counted(world, ids, found, leases)];
}

interface Lease {
  readonly started: EventView;
  /** What ended it. */
  end?: EventView;
}
type Leases = ReadonlyMap<number, Lease>;

/** By their fences. */
function leasesIn(events: readonly EventView[]): Leases {
  const leases = new Map<number, Lease>();
  const open = new Map<string, Lease>();
  for (const event of events) {
    const task = event.task ?? "";
    if (event.type === "task_started") {
      const lease: Lease = { started: event };
      leases.set(event.fence as number, lease);
      open.set(task, lease);
    } else if (event.type === "attempt_ended" || event.type === "task_ended") {
      const lease = open.get(task);
      open.delete(task);
      if (lease) lease.end = event;
    }
  }
  return leases;
}

const isGivenBack = (end: EventView | undefined): boolean =>
  end?.type === "attempt_ended" &&
  end.why === "restart" &&
  (end.error as { code?: unknown } | undefined)?.code === "worker_stopped";
const isSuccess = (end: EventView | undefined): boolean => end?.type === "task_ended" && end.state === "succeeded";

/** A lease is carried out once, by whoever has it of the log; and what was done is done again only where a worker died. */
function done(world: World, run: string, leases: Leases): Broken[] {
  const broken: Broken[] = [];
  const lives = new Map<number, Life>();
  for (const life of world.lives)
    for (const { lease } of life.worked) if (lease?.run === run) lives.set(lease.fence, life);
  const before = new Set<string>();
  for (const deed of world.deeds) {
    if (deed.run !== run) continue;
    const { task, fence, what } = deed;
    const about = `${task} fence ${fence}`;
    if (before.has(`${fence} ${what}`))
      broken.push({ sort: "twice", rule: "a lease is carried out once", about, told: deed, found: what });
    before.add(`${fence} ${what}`);
    const there = leases.get(fence);
    if (there?.started.task !== task)
      broken.push({
        sort: "lost",
        rule: "a lease that was carried out is in the log",
        about,
        told: deed,
        found: there,
      });
    if (what === "done" && lives.get(fence)?.how === "stopped" && there?.end?.type === "attempt_ended")
      broken.push({
        ...{ sort: "twice", rule: "what is done is done again only where a worker died", about },
        ...{ told: deed, found: there.end },
      });
  }
  return broken;
}

function told(world: World, run: string, leases: Leases): Broken[] {
  const broken: Broken[] = [];
  for (const { worker, how, worked } of world.lives) {
    for (const { task, lease, said } of worked) {
      if (lease?.run !== run) continue;
      const end = leases.get(lease.fence)?.end;
      const about = `${worker}: ${task} fence ${lease.fence}`;
      const add = (sort: Broken["sort"], rule: string) =>
        broken.push({ sort, rule, about, told: said, found: end ?? null });
      switch (said) {
        case "succeeded":
          if (!isSuccess(end)) add("lost", "what a worker delivered ended its task");
          break;
        case "given back":
          if (!isGivenBack(end)) add("lost", "what a worker gave back is in the log");
          break;
        case "lost":
          if (isSuccess(end)) add("wrong", "what a worker is told is lost did not end its task");
          break;
        case "undelivered":
          // It does not wait for a server that is away.
          if (how !== "forced") add("lost", "what a worker has done is delivered");
          break;
        case "failed":
          add("wrong", "a command that does not fail is no failure");
          break;
        case null:
          if (how === "stopped" || how === "forced")
            add("stuck", "a worker that is stopped says what became of all it had");
      }
    }
  }
  return broken;
}

/** What ended a task was done, and is its result; of a copy what was done for it. */
function counted(world: World, { run, of, from }: RunIds, { tasks }: FoundRun, leases: Leases): Broken[] {
  const broken: Broken[] = [];
  const plans = new Map(postsOf(world, of).flatMap((call) => plannedOf(call).map((plan) => [plan.key, plan])));
  const isDone = new Set(world.deeds.flatMap((deed) => (deed.run === run && deed.what === "done" ? [deed.fence] : [])));
  for (const task of tasks) {
    const plan = task.parent === null && task.key !== null ? plans.get(task.key) : undefined;
    const fence = fenceIn(task);
    if (plan?.expected.kind !== "worked" || task.state !== "succeeded" || fence === undefined) continue;
    const about = `${task.key} ${task.id} fence ${fence}`;
    const there = leases.get(fence);
    if (there && there.started.seq <= from) continue;
    if (there?.started.task !== task.id || !isSuccess(there.end))
      broken.push({
        ...{ sort: "wrong", rule: "a result is of the lease that ended its task", about },
        ...{ told: task.result, found: there ?? null },
      });
    if (!isDone.has(fence))
      broken.push({ sort: "wrong", rule: "what ended a task was done", about, told: task.result, found: null });
  }
  return broken;
}

/** By how it was ended: the status that it says. A second signal may come when it has nothing left, and ends it as it ends any process. */
const statuses: Readonly<Record<Life["how"], readonly (number | null)[]>> = {
  ...{ stopped: [0], forced: [0, 130, null], killed: [null], left: [3], stuck: [] },
};

/** Workers end when they are told to, and say how; but for those that find no server. */
export function lifeRules({ lives }: World): Broken[] {
  const broken: Broken[] = [];
  for (const { worker, how, status, serves } of lives) {
    const about = `${worker}, ${how}`;
    if (how === "stuck")
      broken.push({ sort: "stuck", rule: "a worker that is stopped ends", about, told: how, found: null });
    else if (!statuses[how].includes(status) || (how === "left" && serves))
      broken.push({
        ...{ sort: "wrong", rule: "a worker ends when it is told to, and in good order", about },
        ...{ told: statuses[how], found: status },
      });
  }
  return broken;
}
