// Processes by pid *and* start time: a pid alone may by now belong to somebody else.
//
// A process group that we started is proven ours while one recorded member of it lives: the number of a group can't be
// given away again before its last member has gone. Only then are its other members ended too (the runtime is a grandchild
// that is replaced at every hot reload, so the record may lack the newest one).

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { sleep } from "./sleep.mjs";

/** What /proc counts in, on every machine that Linux runs on today. */
const tickMs = 10;

/** What a process that was asked to end gets before it is killed. */
const endMs = 5000;

/**
 * Every process that this user can see: `{pid, parent, group, start, cpuMs}`; zombies are left out.
 * `start` is text that differs between two processes which had the same pid; `cpuMs` the processor time that it has had.
 */
export function processTable() {
  if (process.platform === "linux") return linuxTable();
  if (process.platform === "win32") return windowsTable();
  return psTable();
}

/** `{pid, start}` of a live process; undefined when there is none. */
export function identify(pid, table = processTable()) {
  const found = table.find((entry) => entry.pid === pid);
  return found && { pid: found.pid, start: found.start };
}

export function isSame(identity, table = processTable()) {
  return table.some((entry) => entry.pid === identity.pid && entry.start === identity.start);
}

/** Processor time that those of these processes which live have had, in ms. */
export const cpuMsOf = (members, table = processTable()) =>
  table
    .filter((entry) => members.some(({ pid, start }) => pid === entry.pid && start === entry.start))
    .reduce((sum, { cpuMs }) => sum + cpuMs, 0);

/** Identities of the group's members and of all descendants of `pid`, itself included. */
export function familyOf(pid, table = processTable()) {
  const family = new Set([pid]);
  for (const entry of table) if (entry.group === pid) family.add(entry.pid);
  for (let grew = true; grew; ) {
    grew = false;
    for (const entry of table) {
      if (!family.has(entry.pid) && family.has(entry.parent)) {
        family.add(entry.pid);
        grew = true;
      }
    }
  }
  return table.filter((entry) => family.has(entry.pid)).map(({ pid: id, start }) => ({ pid: id, start }));
}

/**
 * Ends what is left of a recorded family (`{leader, members}`): first asks, kills after 5 s. Resolves to how many it ended.
 * A family of which no recorded member lives is left alone.
 */
export async function endFamily({ leader, members }) {
  const leftOver = (table) => {
    const ours = members.filter((member) => isSame(member, table));
    if (ours.length === 0) return [];
    const strangerLeads = table.some((entry) => entry.pid === leader.pid && entry.start !== leader.start);
    const all = strangerLeads ? ours : [...ours, ...familyOf(leader.pid, table)];
    return [...new Map(all.map((member) => [member.pid, member])).values()];
  };
  let rest = leftOver(processTable());
  const ended = rest.length;
  for (const { pid } of rest) signal(pid, "SIGTERM");
  for (const deadline = Date.now() + endMs; rest.length > 0 && Date.now() < deadline; ) {
    await sleep(50);
    const table = processTable();
    rest = rest.filter((member) => isSame(member, table));
  }
  for (const { pid } of rest) signal(pid, "SIGKILL");
  return ended;
}

/** Sends a signal; a process that has gone meanwhile is no error. */
export function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function linuxTable() {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const table = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // The second field, the command's name, may hold spaces and brackets; the fields after it are plain.
      const [state, parent, group, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") continue;
      const cpuMs = (Number(rest[8]) + Number(rest[9])) * tickMs;
      table.push({
        ...{ pid: Number(name), parent: Number(parent), group: Number(group) },
        start: `${boot} ${rest[16]}`,
        cpuMs,
      });
    } catch {
      // It ended while we looked.
    }
  }
  return table;
}

function psTable() {
  const text = execFileSync("ps", ["-axo", "pid=,ppid=,pgid=,stat=,time=,lstart="], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (!match || match[4].startsWith("Z")) return [];
    const [pid, parent, group] = match.slice(1, 4).map(Number);
    return [{ pid, parent, group, start: match[6], cpuMs: msOfClock(match[5]) }];
  });
}

/** `[[days-]hours:]minutes:seconds`, as ps prints a time. */
function msOfClock(text) {
  const [clock, days = "0"] = text.split("-").reverse();
  const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1000;
}

/** Windows has no process groups: families are found by parents alone. */
function windowsTable() {
  const query =
    'Get-CimInstance Win32_Process | ForEach-Object { "$($_.ProcessId) $($_.ParentProcessId) $($_.CreationDate.Ticks) $($_.KernelModeTime + $_.UserModeTime)" }';
  const text = execFileSync("powershell", ["-NoProfile", "-NonInteractive", "-Command", query], {
    encoding: "utf8",
    windowsHide: true,
  });
  return text.split(/\r?\n/).flatMap((line) => {
    const [pid, parent, start, cpu] = line.trim().split(" ");
    // In units of 100 ns.
    return start ? [{ pid: Number(pid), parent: Number(parent), group: 0, start, cpuMs: Number(cpu) / 10_000 }] : [];
  });
}
