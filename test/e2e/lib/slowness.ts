/** How much longer work takes on this machine at present than it would alone: 1 where nobody else wants its processors. */

const sampleMs = 50;

export function slowness(): number {
  const from = performance.now();
  const before = process.cpuUsage();
  for (;;) {
    for (let i = 0; i < 100_000; i++) Math.sqrt(i);
    const { user, system } = process.cpuUsage(before);
    const usedMs = (user + system) / 1000;
    if (usedMs >= sampleMs) return Math.max(1, (performance.now() - from) / usedMs);
  }
}
