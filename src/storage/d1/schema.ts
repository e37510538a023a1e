/** Whether the migrations have been applied. */

/** Something that each brought, in their order: a table, an index, or a column of a table. */
const brought: Readonly<Record<string, string>> = {
  "0001_tenants": "tenants",
  "0002_runs": "runs",
  "0003_idempotency": "idempotency",
  "0004_keys_and_audit": "audit",
  "0005_credentials": "credentials",
  "0006_tenant_deletion": "tenants_deleting",
  "0007_quotas": "tenants.quotas",
  "0008_usage": "usage",
  "0009_sweep": "sweep_passes",
  "0010_retention": "runs_expiring",
  "0011_tenant_rules": "tenant_rules",
  "0012_stored_bytes": "tenants.stored_bytes",
  "0013_billing": "billing_events",
  "0014_tenant_prices": "tenants.prices",
  "0015_usage_lives": "usage_positions.life",
  "0016_lists_and_quiet_runs": "usage_positions.upto_at",
};

/** Names of those that have not been, oldest first. @throws when D1 does not answer */
export async function missingMigrations(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT name, sql FROM sqlite_master WHERE name IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(Object.values(brought).map((thing) => thing.split(".")[0])))
    .all<{ name: string; sql: string }>();
  const sqlOf = new Map(results.map(({ name, sql }) => [name, sql]));
  const isThere = (thing: string) => {
    const [name, column] = thing.split(".") as [string, string?];
    const sql = sqlOf.get(name);
    // Columns that were added stand in the table's text as if it had been made with them.
    return sql !== undefined && (column === undefined || new RegExp(`[(,]\\s*${column}\\s`).test(sql));
  };
  return Object.keys(brought).filter((name) => !isThere(brought[name]!));
}
