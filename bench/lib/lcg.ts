/** The generator that WORKLOADS fixes, so that every peer gets the same graph. Whole numbers from 0 to below `k`. */
export function lcg(seed: number): (k: number) => number {
  let state = seed >>> 0;
  return (k) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * k);
  };
}
