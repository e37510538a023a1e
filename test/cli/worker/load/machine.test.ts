/** What is measured, from the files and counters of machines that are not this one. */

import type { CpuInfo } from "node:os";
import { describe, expect, it } from "vitest";
import { controlGroups } from "../../../../src/cli/worker/load/control-groups.ts";
import { Machine, type Sources } from "../../../../src/cli/worker/load/machine.ts";

const GiB = 2 ** 30;
const readFrom = (files: Record<string, string>) => (path: string) => files[path];

describe("control groups", () => {
  it("of version 2: a container's own limits, and those of a group above it", () => {
    const groups = controlGroups(
      readFrom({
        "/proc/self/cgroup": "0::/machine/box\n",
        "/sys/fs/cgroup/machine/box/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/machine/box/memory.max": `${4 * GiB}\n`,
        "/sys/fs/cgroup/machine/box/memory.current": `${2 * GiB}\n`,
        "/sys/fs/cgroup/machine/box/memory.stat": `anon 5\ninactive_file ${1 * GiB}\n`,
        "/sys/fs/cgroup/machine/cpu.max": "150000 100000\n",
        "/sys/fs/cgroup/machine/cpu.stat": "usage_usec 5000000\nuser_usec 1\n",
        "/sys/fs/cgroup/machine/memory.max": "max\n",
        "/sys/fs/cgroup/machine/memory.current": `${3 * GiB}\n`,
      }),
    );
    expect(groups).toEqual({
      cpu: [{ path: "/sys/fs/cgroup/machine", usedMs: 5000, cores: 1.5 }],
      memory: 0.25,
    });
  });

  it("of version 2 in a container that sees its own group as the root", () => {
    const groups = controlGroups(
      readFrom({
        "/proc/self/cgroup": "0::/\n",
        "/sys/fs/cgroup/cpu.max": "50000 100000\n",
        "/sys/fs/cgroup/cpu.stat": "usage_usec 1000\n",
        "/sys/fs/cgroup/memory.max": "1000\n",
        "/sys/fs/cgroup/memory.current": "900\n",
      }),
    );
    expect(groups).toEqual({ cpu: [{ path: "/sys/fs/cgroup", usedMs: 1, cores: 0.5 }], memory: 0.9 });
  });

  it("of version 1, with a tree for each controller and numbers that mean none", () => {
    const groups = controlGroups(
      readFrom({
        "/proc/self/cgroup": "9:memory:/box\n4:cpu,cpuacct:/box\n0::/elsewhere\n",
        "/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "200000\n",
        "/sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/cpu/box/cpuacct.usage": "7000000\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "/sys/fs/cgroup/cpu/cpuacct.usage": "9000000\n",
        "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1000\n",
        "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": "800\n",
        "/sys/fs/cgroup/memory/box/memory.stat": "inactive_file 1\ntotal_inactive_file 300\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": "99999\n",
      }),
    );
    expect(groups).toEqual({ cpu: [{ path: "/sys/fs/cgroup/cpu/box", usedMs: 7, cores: 2 }], memory: 0.5 });
  });

  it("are none where the system has none", () => {
    expect(controlGroups(() => undefined)).toEqual({ cpu: [], memory: undefined });
    expect(controlGroups(readFrom({ "/proc/self/cgroup": "0::/\n" }))).toEqual({ cpu: [], memory: undefined });
  });
});

describe("the machine", () => {
  /** A machine whose clock and counters the test moves. */
  function fake(more: Partial<Sources> = {}, moreFiles: Record<string, string> = {}) {
    const files: Record<string, string> = {
      "/proc/meminfo": "MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    400 kB\n",
      ...moreFiles,
    };
    const state = { now: 0, busy: [0, 0], files };
    const machine = new Machine({
      platform: "linux",
      now: () => state.now,
      cpus: () =>
        state.busy.map(
          (busy) => ({ times: { user: busy, nice: 0, sys: 0, irq: 0, idle: state.now - busy } }) as unknown as CpuInfo,
        ),
      freeBytes: () => 1,
      totalBytes: () => 4,
      loadAverage: () => 3,
      read: (path) => state.files[path],
      ...more,
    });
    const second = (...busy: number[]) => {
      state.now += 1000;
      state.busy = state.busy.map((before, i) => before + (busy[i] ?? 0));
      return machine.sample();
    };
    return { state, second };
  }

  it("uses its processors as far as the last seconds say, and not one moment or all of the past", () => {
    const { second } = fake();
    expect(second(1000, 0)).toEqual({ cpu: 0.5, memory: 0.6, loadAverage: 1.5 });
    expect(second(1000, 1000).cpu).toBe(0.75);
    for (let i = 0; i < 3; i++) second(1000, 1000);
    expect(second(1000, 1000).cpu).toBe(1);
    expect(second(0, 0).cpu).toBe(0.667);
  });

  it("is as busy as the group that it is in", () => {
    const { state, second } = fake(
      {},
      {
        "/proc/self/cgroup": "0::/\n",
        "/sys/fs/cgroup/cpu.max": "50000 100000\n",
        "/sys/fs/cgroup/cpu.stat": "usage_usec 0\n",
        "/sys/fs/cgroup/memory.max": "100\n",
        "/sys/fs/cgroup/memory.current": "90\n",
      },
    );
    state.files["/sys/fs/cgroup/cpu.stat"] = "usage_usec 400000\n";
    // 400 ms of what half a processor has in a second.
    expect(second()).toMatchObject({ cpu: 0.8, memory: 0.9 });
  });

  it("is the part of a machine that the process may run on", () => {
    const status = (list: string) => ({ "/proc/self/status": `Name: node\nCpus_allowed_list:\t${list}\n` });
    expect(fake({}, status("1-7")).second(1000, 500).cpu).toBe(0.5);
    expect(fake({}, status("0")).second(1000, 500).cpu).toBe(1);
    expect(fake({}, status("0-0,1")).second(1000, 500).cpu).toBe(0.75);
    expect(fake({}, status("all")).second(1000, 500).cpu, "a list that says nothing").toBe(0.75);
  });

  it("says nothing of memory where free memory means nothing, nor of a load average where there is none", () => {
    expect(fake({ platform: "darwin" }).second(0, 0)).toEqual({ cpu: 0, loadAverage: 1.5 });
    expect(fake({ platform: "win32", read: () => undefined }).second(0, 0)).toEqual({ cpu: 0, memory: 0.75 });
  });

  it("that this test runs on has shares between 0 and 1", async () => {
    const machine = new Machine();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { cpu = 0, memory = 0 } = machine.sample();
    for (const share of [cpu, memory]) expect(share >= 0 && share <= 1).toBe(true);
  });
});
