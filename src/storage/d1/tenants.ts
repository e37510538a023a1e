/** Tenants in D1. */

export interface TenantRow {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
}

export const insertTenant = (db: D1Database, tenant: TenantRow): D1PreparedStatement =>
  db
    .prepare("INSERT INTO tenants (id, name, created_at) VALUES (?, ?, ?)")
    .bind(tenant.id, tenant.name, tenant.created_at);

export const findTenant = (db: D1Database, id: string): Promise<TenantRow | null> =>
  db.prepare("SELECT id, name, created_at FROM tenants WHERE id = ?").bind(id).first<TenantRow>();

/** Tenants, oldest first, that follow `after`. */
export async function listTenants(
  db: D1Database,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
): Promise<TenantRow[]> {
  const { results } = await db
    .prepare("SELECT id, name, created_at FROM tenants WHERE (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?")
    .bind(after?.createdAt ?? -1, after?.id ?? "", limit)
    .all<TenantRow>();
  return results;
}
