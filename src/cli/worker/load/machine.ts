/**
 * How busy this machine is: processor time over the last seconds, memory, load average; of the machine and of the control
 * groups that this process is in, whichever is busier.
 */

import { readFileSync } from "node:fs";
import { type CpuInfo, cpus, freemem, loadavg, totalmem } from "node:os";
import { loadWindowSamples } from "../../../limits.ts";
import { controlGroups, type ReadFile } from "./control-groups.ts";
import type { Load } from "./throttle.ts";

export interface Sources {
  readonly platform: string;
  now(): number;
  cpus(): CpuInfo[];
  freeBytes(): number;
  totalBytes(): number;
  loadAverage(): number;
  readonly read: ReadFile;
}

export interface MachineLoad extends Load {
  /** Of the last minute, per processor; absent on Windows, which has none. */
  readonly loadAverage?: number;
}

interface Snapshot {
  readonly at: number;
  readonly busyMs: number;
  readonly totalMs: number;
  readonly groups: ReadonlyMap<string, { usedMs: number; cores: number }>;
}

export class Machine {
  readonly #sources: Sources;
  readonly #snapshots: Snapshot[] = [];

  constructor(sources: Sources = ofSystem) {
    this.#sources = sources;
    this.#take();
  }

  /** What there is to say since the sample `loadWindowSamples` before; at the first call, since the start. */
  sample(): MachineLoad {
    const { platform, loadAverage, cpus: processors } = this.#sources;
    const newest = this.#take();
    const [oldest] = this.#snapshots as [Snapshot];
    const cpu = cpuBetween(oldest, newest.snapshot);
    const memory = rounded(Math.max(newest.memoryOfGroups ?? 0, this.#memoryOfMachine() ?? 0));
    return {
      ...(cpu !== undefined && { cpu: rounded(cpu) }),
      ...((newest.memoryOfGroups !== undefined || platform !== "darwin") && { memory }),
      ...(platform !== "win32" && { loadAverage: loadAverage() / Math.max(1, processors().length) }),
    };
  }

  #take(): { snapshot: Snapshot; memoryOfGroups: number | undefined } {
    const { now, cpus: all, read } = this.#sources;
    const groups = controlGroups(read);
    let [busyMs, totalMs] = [0, 0];
    for (const { times } of ours(all(), read)) {
      const total = times.user + times.nice + times.sys + times.idle + times.irq;
      totalMs += total;
      busyMs += total - times.idle;
    }
    const snapshot = { at: now(), busyMs, totalMs, groups: new Map(groups.cpu.map((group) => [group.path, group])) };
    this.#snapshots.push(snapshot);
    if (this.#snapshots.length > loadWindowSamples) this.#snapshots.shift();
    return { snapshot, memoryOfGroups: groups.memory };
  }

  /** Undefined on macOS, where free memory is next to none however much is available. */
  #memoryOfMachine(): number | undefined {
    const { platform, read, freeBytes, totalBytes } = this.#sources;
    if (platform === "darwin") return undefined;
    const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(info)?.[1] ?? Number.NaN);
    const info = platform === "linux" ? (read("/proc/meminfo") ?? "") : "";
    const share = 1 - kilobytes("MemAvailable") / kilobytes("MemTotal");
    return Number.isFinite(share) ? share : 1 - freeBytes() / totalBytes();
  }
}

/** Undefined where no time has passed that the system counted. */
function cpuBetween(from: Snapshot, to: Snapshot): number | undefined {
  const shares: number[] = [];
  if (to.totalMs > from.totalMs) shares.push((to.busyMs - from.busyMs) / (to.totalMs - from.totalMs));
  for (const [path, { usedMs, cores }] of to.groups) {
    const before = from.groups.get(path);
    if (before && to.at > from.at) shares.push((usedMs - before.usedMs) / ((to.at - from.at) * cores));
  }
  return shares.length > 0 ? Math.max(...shares) : undefined;
}

/** The processors that this process may run on: a container's may be few of the machine's. */
function ours(all: CpuInfo[], read: ReadFile): CpuInfo[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read("/proc/self/status") ?? "")?.[1];
  const allowed = (list?.split(",") ?? []).flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return all.filter((_, i) => i >= first && i <= last);
  });
  return allowed.length > 0 ? allowed : all;
}

const rounded = (share: number): number => Math.round(Math.min(1, Math.max(0, share)) * 1000) / 1000;

const ofSystem: Sources = {
  platform: process.platform,
  now: Date.now,
  cpus,
  freeBytes: freemem,
  totalBytes: totalmem,
  loadAverage: () => loadavg()[0]!,
  read: (path) => {
    if (process.platform !== "linux") return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
};
