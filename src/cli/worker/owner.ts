/** Who made a folder: a process by pid *and* start time, since a pid may be given to somebody else. */

import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface Owner {
  readonly pid: number;
  readonly start: string;
  /** The machine and, where there are such, the process namespace in which the pid means something. */
  readonly space: string;
}

export const thisProcess = (): Owner => ({ pid: process.pid, start: startOf(process.pid) ?? "", space: space() });

/** Whether the owner is surely gone; false of one that can't be seen from here. */
export function isGone({ pid, start, space: where }: Owner): boolean {
  return where === space() && start !== "" && startOf(pid) !== start;
}

function space(): string {
  if (process.platform !== "linux") return hostname();
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}

/** Differs between two processes that had the same pid. Undefined: there is none, or the system does not tell. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      // The second field, the command's name, may hold spaces and brackets; the fields after it are plain.
      return `${boot} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
    }
    if (process.platform === "win32") return undefined;
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", env }).trim() || undefined;
  } catch {
    return undefined;
  }
}
