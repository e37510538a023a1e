import { describe, expect, it } from "vitest";
import { limited, measured, roomFor, type Throttle, unthrottled } from "../../../../src/cli/worker/load/throttle.ts";

const maxLoad = 0.9;
const room = (throttle: Throttle, free: number, running: number, now = 1000) =>
  roomFor(throttle, { free, running, maxLoad }, now);
const at = (...loads: number[]): Throttle =>
  loads.reduce((throttle, cpu) => measured(throttle, { cpu }, maxLoad), unthrottled);

describe("the throttle", () => {
  it("[L1] leases nothing above the limit while something runs, and one where nothing does", () => {
    expect(room(at(0.91), 4, 1)).toBe(0);
    expect(room(at(0.91), 4, 0)).toBe(1);
    expect(room(at(0.9), 4, 1), "above it, not at it").toBe(1);
    expect(room(at(0.91), 0, 4)).toBe(0);
  });

  it("[L1] counts the busier of processors and memory, and what is not measured not at all", () => {
    const busy = (load: { cpu?: number; memory?: number }) => measured(unthrottled, load, maxLoad).busy;
    expect([busy({ cpu: 0.2, memory: 0.95 }), busy({ memory: 0.95 }), busy({ cpu: 0.95 }), busy({})]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it("[L2] stays busy until the load has fallen well below the limit", () => {
    expect(at(0.95, 0.85).busy).toBe(true);
    expect(at(0.85).busy, "the same load, come from below").toBe(false);
    expect(at(0.95, 0.85, 0.79).busy).toBe(false);
    expect(at(0.95, 0.79, 0.85).busy).toBe(false);
  });

  it("[L3] fills fewer places the nearer the limit is", () => {
    expect([0, 0.3, 0.45, 0.6, 0.75, 0.89].map((load) => room(at(load), 16, 1))).toEqual([16, 16, 16, 11, 6, 1]);
    for (const free of [1, 2, 5]) expect(room(at(0.89), free, 3)).toBe(1);
  });

  it("[L4] lets a limit of 100 % decide nothing", () => {
    const throttle = measured(measured(unthrottled, { cpu: 1, memory: 1 }, 1), { cpu: 1 }, 1);
    expect(roomFor(throttle, { free: 16, running: 3, maxLoad: 1 }, 0)).toBe(16);
  });

  it("[L5] leases nothing until a rate limit has passed; the longest of several counts", () => {
    const throttle = limited(limited(unthrottled, 5000, 1000), 100, 2000);
    expect([1000, 5999, 6000].map((now) => room(throttle, 4, 0, now))).toEqual([0, 0, 4]);
    // A measurement meanwhile does not end it.
    expect(room(measured(throttle, { cpu: 0 }, maxLoad), 4, 0, 5999)).toBe(0);
  });
});
