/** How often each scripted failure of the simulated model was answered, for as long as the tests run. */

const seen = new Map<string, number>();

export const countInMemory = {
  async next(key: string): Promise<number> {
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before;
  },
};
