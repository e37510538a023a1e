/**
 * What a tenant may use at most, as its gate sees to it: tokens a day, handed out to runs in blocks (allowances.ts), and the bytes that its
 * runs have stored.
 *
 * W1. What is handed out is stored before a run hears of it. Without a quota of tokens nothing of them is stored, nor kept of an earlier one: by
 *     that a quota which is set again would count what was used for days as used today.
 * W2. Quotas are D1's; the gate reads them again every `quotasKnownMs`, and at once when the operator has changed them. While D1 is away
 *     those hold that were known; a gate that knows none yet lets its runs go on.
 * W3. The sum of bytes is D1's as well, for the door, some seconds late: by one word at a time, since an older one could come later. What
 *     is to be told at once follows that word; all else has its time, or the runs of a busy tenant would cost one write after another. A
 *     word that D1 did not take is said again.
 * W4. A report that waits for D1 while its run is deleted counts nothing: nobody would take that back.
 */

import type { Quotas } from "../contract/admin-requests.ts";
import { dayOf, TokenLedger, type TokenTerms } from "../fairness/allowances.ts";
import { quotasKnownMs, storedStepBytes, storedToldEveryMs } from "../limits.ts";
import { quotasOf, setStoredBytes } from "../storage/d1/tenants.ts";
import type { QuotasUsed, RunReport, RunTerms } from "./gate-rpc.ts";

interface Around {
  readonly db: () => D1Database;
  readonly sql: () => SqlStorage;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

export class TenantQuotas {
  readonly #around: Around;
  #quotas: Quotas = {};
  #readAt = Number.NEGATIVE_INFINITY;
  /** D1 has said which there are. */
  #areKnown = false;
  #reading: Promise<void> | undefined;
  /** Reports that wait for D1 (W4). */
  readonly #waiting = new Set<{ readonly run: string; isGone: boolean }>();
  #ledger: TokenLedger | undefined;
  /** Nothing of tokens is stored. */
  #hasNoLedger = false;
  #stored: Map<string, number> | undefined;
  #sum = 0;
  #told = { at: Number.NEGATIVE_INFINITY, bytes: -1 };
  #isTelling = false;
  /** The next word follows at once. */
  #isOwed = false;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around) {
    this.#around = around;
  }

  /** As last known. */
  get quotas(): Quotas {
    return this.#quotas;
  }

  /** The operator has changed them. */
  changed(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async report({ tenant, run, tokens, bytes }: RunReport): Promise<Pick<RunTerms, "tokens" | "full">> {
    const waits = { run, isGone: false };
    this.#waiting.add(waits);
    await this.#read(tenant);
    this.#waiting.delete(waits);
    if (waits.isGone) return {};
    const now = Date.now();
    this.#store(tenant, run, bytes, now);
    const { tokens_per_day: perDay, storage_bytes: limit } = this.#quotas;
    if (perDay === undefined && this.#areKnown) this.#dropLedger();
    const isFull = limit !== undefined && this.#sum >= limit;
    return {
      ...(perDay !== undefined && { tokens: this.#allow(run, tokens, perDay, now) }),
      ...(isFull && { full: { limit, stored: this.#sum } }),
    };
  }

  used(now: number): Omit<QuotasUsed, "seats"> {
    this.#load();
    const isCounted = this.#quotas.tokens_per_day !== undefined;
    return { tokensToday: isCounted ? this.#tokens().spentToday(now) : null, storedBytes: this.#sum };
  }

  /** The run is deleted. */
  forget(tenant: string, run: string): void {
    for (const waits of this.#waiting) if (waits.run === run) waits.isGone = true;
    const stored = this.#load();
    const sql = this.#around.sql();
    sql.exec("DELETE FROM stored WHERE run = ?", run);
    sql.exec("DELETE FROM allowances WHERE run = ?", run);
    this.#tokens().forget(run);
    this.#sum -= stored.get(run) ?? 0;
    stored.delete(run);
    if (tenant) this.#tell(tenant, Date.now(), true);
  }

  /** The tenant is deleted. */
  clear(): void {
    for (const waits of this.#waiting) waits.isGone = true;
    this.#ledger = undefined;
    this.#stored = undefined;
    this.#sum = 0;
    this.#quotas = {};
    this.#areKnown = false;
    this.changed();
  }

  async #read(tenant: string): Promise<void> {
    if (Date.now() - this.#readAt < quotasKnownMs) return;
    this.#reading ??= quotasOf(this.#around.db(), tenant)
      .then(
        (quotas) => {
          this.#quotas = quotas;
          this.#areKnown = true;
          this.#readAt = Date.now();
        },
        (error: unknown) => console.warn("quotas were not read", { tenant, error: String(error) }),
      )
      .finally(() => {
        this.#reading = undefined;
      });
    await this.#reading;
  }

  #allow(run: string, report: RunReport["tokens"], perDay: number, now: number): TokenTerms {
    const ledger = this.#tokens();
    const [account, day] = [ledger.account(run), ledger.day];
    const terms = ledger.report(run, report, perDay, now);
    const sql = this.#around.sql();
    const { spent, allowed } = ledger.account(run)!;
    if (account?.spent !== spent || account.allowed !== allowed)
      sql.exec("INSERT OR REPLACE INTO allowances(run, spent, allowed) VALUES(?, ?, ?)", run, spent, allowed);
    if (day !== ledger.day && JSON.stringify(day) !== JSON.stringify(ledger.day))
      sql.exec("INSERT OR REPLACE INTO meta(name, value) VALUES('tokens_of_day', ?)", JSON.stringify(ledger.day));
    return terms;
  }

  #dropLedger(): void {
    if (this.#hasNoLedger) return;
    const sql = this.#around.sql();
    sql.exec("DELETE FROM allowances");
    sql.exec("DELETE FROM meta WHERE name = 'tokens_of_day'");
    this.#ledger = undefined;
    this.#hasNoLedger = true;
  }

  #tokens(): TokenLedger {
    this.#hasNoLedger = false;
    if (this.#ledger) return this.#ledger;
    const sql = this.#around.sql();
    const [row] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'tokens_of_day'").toArray();
    const accounts = sql
      .exec<{ run: string; spent: number; allowed: number }>("SELECT run, spent, allowed FROM allowances")
      .toArray();
    this.#ledger = new TokenLedger(
      row ? JSON.parse(row.value) : { day: dayOf(Date.now()), spent: 0 },
      accounts.map(({ run, ...account }) => [run, account] as const),
    );
    return this.#ledger;
  }

  #load(): Map<string, number> {
    if (this.#stored) return this.#stored;
    const rows = this.#around.sql().exec<{ run: string; bytes: number }>("SELECT run, bytes FROM stored").toArray();
    this.#stored = new Map(rows.map(({ run, bytes }) => [run, bytes]));
    this.#sum = rows.reduce((sum, { bytes }) => sum + bytes, 0);
    return this.#stored;
  }

  #store(tenant: string, run: string, bytes: number, now: number): void {
    const stored = this.#load();
    const known = stored.get(run);
    if (known !== undefined && Math.abs(bytes - known) < storedStepBytes) return;
    this.#around.sql().exec("INSERT OR REPLACE INTO stored(run, bytes) VALUES(?, ?)", run, bytes);
    stored.set(run, bytes);
    const limit = this.#quotas.storage_bytes ?? Number.POSITIVE_INFINITY;
    const wasFull = this.#sum >= limit;
    this.#sum += bytes - (known ?? 0);
    this.#tell(tenant, now, wasFull !== this.#sum >= limit);
  }

  /** D1, for the door (W3). */
  #tell(tenant: string, now: number, atOnce: boolean): void {
    if (this.#isTelling) {
      this.#isOwed ||= atOnce;
      return;
    }
    if (this.#sum === this.#told.bytes) return;
    if (!atOnce && now - this.#told.at < storedToldEveryMs) return;
    const bytes = this.#sum;
    this.#told = { at: now, bytes };
    this.#isTelling = true;
    const told = setStoredBytes(this.#around.db(), tenant, bytes)
      .then(
        () => true,
        (error: unknown) => {
          this.#told = { at: Number.NEGATIVE_INFINITY, bytes: -1 };
          console.warn("stored bytes were not told", { tenant, error: String(error) });
          return false;
        },
      )
      .then((isTold) => {
        const isOwed = isTold && this.#isOwed;
        this.#isTelling = false;
        this.#isOwed = false;
        if (isOwed) this.#tell(tenant, Date.now(), true);
        else if (!isTold) this.#tellAgain(tenant);
      });
    this.#around.waitUntil(told);
  }

  /** A word that did not arrive: perhaps nothing changes any more, and the door refuses what would. */
  #tellAgain(tenant: string): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#tell(tenant, Date.now(), true);
    }, storedToldEveryMs);
  }
}
