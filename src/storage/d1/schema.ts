/** Whether the migrations have been applied. */

/** Each migration brought one of these. */
const tables = [
  ...["tenants", "api_keys", "runs", "idempotency", "audit", "credentials"],
  ...["usage", "usage_positions", "sweep_passes", "sweep_failures", "runs_expiring", "billing_events"],
];

/** Tables, and indexes of later columns, that are missing. @throws when D1 does not answer */
export async function missingTables(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT name FROM sqlite_master WHERE name IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(tables))
    .all<{ name: string }>();
  const present = new Set(results.map(({ name }) => name));
  return tables.filter((name) => !present.has(name));
}
