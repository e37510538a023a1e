/** Messages to the run's webhook, as far as they were tried: a row each, written with its first attempt. */

import type { Delivery } from "../../webhooks/delivery.ts";
import type { WebhookType } from "../../webhooks/types.ts";

type Row = {
  seq: number;
  type: string;
  state: string;
  tries: number;
  attempts: string;
  since: number;
  failures: number;
  next_at: number | null;
};

export type DeliveryState = Delivery["state"];

export class Deliveries {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(seq: number): Delivery | undefined {
    return this.#sql.exec<Row>("SELECT * FROM deliveries WHERE seq = ?", seq).toArray().map(deliveryOf)[0];
  }

  has(seq: number): boolean {
    return this.#sql.exec("SELECT 1 FROM deliveries WHERE seq = ?", seq).toArray().length > 0;
  }

  put({ seq, type, state, tries, attempts, since, failures, nextAt }: Delivery): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO deliveries(seq, type, state, tries, attempts, since, failures, next_at)
       VALUES(?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[seq, type, state, tries, JSON.stringify(attempts), since, failures, nextAt],
    );
  }

  /** When the next one is to be tried again; undefined: none is. */
  get nextAt(): number | undefined {
    const { at } = this.#sql
      .exec<{ at: number | null }>("SELECT min(next_at) AS at FROM deliveries WHERE next_at IS NOT NULL")
      .one();
    return at ?? undefined;
  }

  /** Those to be tried again by now, the longest due ones first. */
  due(now: number, limit: number): Delivery[] {
    return this.#sql
      .exec<Row>(
        "SELECT * FROM deliveries WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at, seq LIMIT ?",
        now,
        limit,
      )
      .toArray()
      .map(deliveryOf);
  }

  /** After this one, in the order of the events. */
  page(after: number, limit: number, state?: DeliveryState): Delivery[] {
    const rows =
      state === undefined
        ? this.#sql.exec<Row>("SELECT * FROM deliveries WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
        : this.#sql.exec<Row>(
            "SELECT * FROM deliveries WHERE seq > ? AND state = ? ORDER BY seq LIMIT ?",
            ...[after, state, limit],
          );
    return rows.toArray().map(deliveryOf);
  }

  counts(): Record<DeliveryState, number> {
    const counts = { delivered: 0, retrying: 0, failed: 0 };
    const rows = this.#sql.exec<{ state: DeliveryState; n: number }>(
      "SELECT state, count(*) AS n FROM deliveries GROUP BY state",
    );
    for (const { state, n } of rows) counts[state] = n;
    return counts;
  }

  /** All that wait for another try have it now. */
  hasten(now: number): void {
    this.#sql.exec("UPDATE deliveries SET next_at = ? WHERE next_at IS NOT NULL", now);
  }

  /** Every one after this event, of this state if it is said, is to be sent again; answers how many. */
  replay(after: number, state: DeliveryState | undefined, now: number): number {
    const set = "UPDATE deliveries SET state = 'retrying', failures = 0, since = ?, next_at = ? WHERE seq > ?";
    const updated =
      state === undefined
        ? this.#sql.exec(`${set} RETURNING seq`, now, now, after)
        : this.#sql.exec(`${set} AND state = ? RETURNING seq`, now, now, after, state);
    return updated.toArray().length;
  }
}

const deliveryOf = ({ attempts, next_at: nextAt, type, state, ...row }: Row): Delivery => ({
  ...row,
  type: type as WebhookType,
  state: state as DeliveryState,
  attempts: JSON.parse(attempts) as Delivery["attempts"],
  nextAt,
});
