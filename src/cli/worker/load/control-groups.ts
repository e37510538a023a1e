/**
 * What the control groups of this process allow and have used, where Linux has put it into some: a container's limits, which
 * the machine's own numbers don't show. Each group up to the root may limit, so all are read.
 */

import { dirname, join } from "node:path/posix";

/** A file's text; undefined where there is none. */
export type ReadFile = (path: string) => string | undefined;

export interface CpuGroup {
  readonly path: string;
  readonly usedMs: number;
  /** Processors' worth of time that it may use. */
  readonly cores: number;
}

export interface ControlGroups {
  readonly cpu: readonly CpuGroup[];
  /** The highest share in use of any group's memory; what could be dropped from caches is not in use. */
  readonly memory: number | undefined;
}

const root = "/sys/fs/cgroup";

export function controlGroups(read: ReadFile): ControlGroups {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  const pathOf = (controller: string) => lines.find((found) => found?.[1]?.split(",").includes(controller))?.[2];
  // Version 1 has a tree a controller; where it serves one, version 2 does not.
  const cpu = pathOf("cpu");
  const memory = pathOf("memory");
  const unified = pathOf("");
  return {
    cpu: cpu !== undefined ? cpuOf1(read, cpu) : unified !== undefined ? cpuOf2(read, unified) : [],
    memory: highest(
      memory !== undefined ? memoryOf1(read, memory) : unified !== undefined ? memoryOf2(read, unified) : [],
    ),
  };
}

function cpuOf2(read: ReadFile, path: string): CpuGroup[] {
  return upwards(join(root, path)).flatMap((folder) => {
    const [quota, period] = (read(`${folder}/cpu.max`) ?? "").split(" ").map(Number);
    const usedUs = field(read(`${folder}/cpu.stat`), "usage_usec");
    return isPositive(quota) && isPositive(period) && usedUs !== undefined
      ? [{ path: folder, usedMs: usedUs / 1000, cores: quota / period }]
      : [];
  });
}

function cpuOf1(read: ReadFile, path: string): CpuGroup[] {
  return upwards(join(root, "cpu", path)).flatMap((folder) => {
    const quota = number(read(`${folder}/cpu.cfs_quota_us`));
    const period = number(read(`${folder}/cpu.cfs_period_us`));
    // Where the two controllers are mounted together, as they are nearly everywhere, the sum stands beside the quota.
    const usedNs = number(read(`${folder}/cpuacct.usage`));
    return isPositive(quota) && isPositive(period) && usedNs !== undefined
      ? [{ path: folder, usedMs: usedNs / 1e6, cores: quota / period }]
      : [];
  });
}

const memoryOf2 = (read: ReadFile, path: string): number[] =>
  upwards(join(root, path)).flatMap((folder) =>
    shareOf(
      number(read(`${folder}/memory.current`)),
      field(read(`${folder}/memory.stat`), "inactive_file"),
      number(read(`${folder}/memory.max`)),
    ),
  );

const memoryOf1 = (read: ReadFile, path: string): number[] =>
  upwards(join(root, "memory", path)).flatMap((folder) =>
    shareOf(
      number(read(`${folder}/memory.usage_in_bytes`)),
      field(read(`${folder}/memory.stat`), "total_inactive_file"),
      number(read(`${folder}/memory.limit_in_bytes`)),
    ),
  );

/** Version 1 says "no limit" by a number that no machine has. */
const unlimitedBytes = 2 ** 60;

const shareOf = (used: number | undefined, cached = 0, max: number | undefined): number[] =>
  used !== undefined && isPositive(max) && max < unlimitedBytes ? [Math.max(0, used - cached) / max] : [];

/** The folder and those above it, up to the controllers' root. */
function upwards(folder: string): string[] {
  const folders = [];
  for (let at = folder.replace(/\/+$/, ""); at.length >= root.length; at = dirname(at)) folders.push(at);
  return folders;
}

const number = (text: string | undefined): number | undefined => {
  const value = Number(text?.trim() || Number.NaN);
  return Number.isFinite(value) ? value : undefined;
};

const field = (text: string | undefined, name: string): number | undefined =>
  number(new RegExp(`^${name} (\\d+)$`, "m").exec(text ?? "")?.[1]);

const isPositive = (value: number | undefined): value is number => value !== undefined && value > 0;

const highest = (shares: readonly number[]): number | undefined =>
  shares.length > 0 ? Math.max(...shares) : undefined;
