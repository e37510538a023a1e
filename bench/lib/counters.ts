/** What one run's object has used of the platform, by the platform's own counters. */
export interface Counters {
  readonly rowsWritten: number;
  readonly rowsRead: number;
  readonly statements: number;
  /** Each is billed as a row written, and as a request when it rings. */
  readonly alarmsSet: number;
  readonly alarmsRung: number;
  /** Calls of the object by name; each is a billed request. */
  readonly calls: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
}

export const callCount = (counters: Counters): number => Object.values(counters.calls).reduce((a, b) => a + b, 0);

/** What was used between two readings. */
export function used(before: Counters, after: Counters): Counters {
  const calls: Record<string, number> = {};
  for (const [name, count] of Object.entries(after.calls)) {
    const more = count - (before.calls[name] ?? 0);
    if (more > 0) calls[name] = more;
  }
  return {
    rowsWritten: after.rowsWritten - before.rowsWritten,
    rowsRead: after.rowsRead - before.rowsRead,
    statements: after.statements - before.statements,
    alarmsSet: after.alarmsSet - before.alarmsSet,
    alarmsRung: after.alarmsRung - before.alarmsRung,
    calls,
    databaseBytes: after.databaseBytes - before.databaseBytes,
  };
}
