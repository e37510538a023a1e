/** What a deleted variable keeps for a while: of which life of its run it was. It is no part of the store, which is gone. */

/** Call in a transaction, or when nothing else is stored. */
export function putTombstone(sql: SqlStorage, life: string): void {
  sql.exec("CREATE TABLE IF NOT EXISTS deleted(life TEXT PRIMARY KEY) WITHOUT ROWID");
  sql.exec("INSERT OR REPLACE INTO deleted(life) VALUES(?)", life);
}

/** Whether the variable was deleted with this life of its run. */
export function isBuried(sql: SqlStorage, life: string): boolean {
  const [table] = sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'deleted'").toArray();
  return table !== undefined && sql.exec("SELECT life FROM deleted WHERE life = ?", life).toArray().length > 0;
}

export function removeTombstones(sql: SqlStorage): void {
  sql.exec("DROP TABLE IF EXISTS deleted");
}
