/**
 * The audit log in D1: administrative acts, by whom and on what. An entry is batched with its effect, so there is none without
 * the other. Nothing ever changes one, and only age or its tenant's deletion takes one away: a test looks through the sources for it, since
 * a trigger would be cut in two on its way to a remote database. Secrets are not in it: `detail` has names, numbers and times.
 */

export type Act =
  | "tenant_created"
  | "tenant_deleted"
  | "quotas_set"
  | "prices_set"
  | "prices_deleted"
  | "rules_set"
  | "rules_deleted"
  | "billing_set"
  | "billing_removed"
  | "key_created"
  | "key_rotated"
  | "key_revoked"
  | "credential_set"
  | "credential_deleted"
  | "credentials_reencrypted";

export interface AuditEntry {
  readonly created_at: number;
  /** Whom it was done to; null: the deployment. */
  readonly tenant: string | null;
  /** "operator", or a key's id. */
  readonly actor: string;
  readonly act: Act;
  /** The id or name of what it was done to. */
  readonly target: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface AuditRow extends AuditEntry {
  /** Rises. */
  readonly id: number;
}

/** The entry as a statement; with `onlyIf`, a query without parameters of its own, only where that finds something. */
export function auditEntry(
  db: D1Database,
  { created_at, tenant, actor, act, target, detail }: AuditEntry,
  onlyIf?: { readonly exists: string; readonly values: readonly (string | number)[] },
): D1PreparedStatement {
  // With a tenant that is being deleted its log goes: nothing is added but that.
  const alive = "NOT EXISTS (SELECT 1 FROM tenants WHERE id = ? AND deleting_at IS NOT NULL)";
  const values = [created_at, tenant, actor, act, target, JSON.stringify(detail)];
  const where = `WHERE ${alive}${onlyIf ? ` AND EXISTS (${onlyIf.exists})` : ""}`;
  return db
    .prepare(`INSERT INTO audit (created_at, tenant, actor, act, target, detail) SELECT ?, ?, ?, ?, ?, ? ${where}`)
    .bind(...values, tenant, ...(onlyIf?.values ?? []));
}

/** Entries, oldest first, that follow `after`: of one tenant, or all. */
export async function listAudit(
  db: D1Database,
  tenant: string | undefined,
  limit: number,
  after = 0,
): Promise<AuditRow[]> {
  const whose = tenant === undefined ? "" : "tenant = ? AND";
  const { results } = await db
    .prepare(
      `SELECT id, created_at, tenant, actor, act, target, detail FROM audit
       WHERE ${whose} id > ? ORDER BY id LIMIT ?`,
    )
    .bind(...(tenant === undefined ? [] : [tenant]), after, limit)
    .all<Omit<AuditRow, "detail"> & { detail: string }>();
  return results.map((row) => ({ ...row, detail: JSON.parse(row.detail) as Record<string, unknown> }));
}

/** Drops entries from before that time, of the oldest `limit`. */
export async function dropOldAudit(db: D1Database, before: number, limit: number): Promise<void> {
  await db
    .prepare("DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?) AND created_at < ?")
    .bind(limit, before)
    .run();
}
