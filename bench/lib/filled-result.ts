/** A timer body's result, filled up so that its JSON is 100 bytes. */
export function filledResult(id: number, t0: number, t1: number): { id: number; t0: number; t1: number; r: string } {
  const bare = JSON.stringify({ id, t0, t1, r: "" }).length;
  return { id, t0, t1, r: "r".repeat(Math.max(0, 100 - bare)) };
}
