/** The operator's part of Heddle's HTTP API, with the operator's secret: tenants, their keys and credentials, the audit log. */

import type {
  BillingPushView,
  BillingRequest,
  BillingView,
  EventState,
  MeterEventsPage,
} from "../contract/billing-shapes.ts";
import type { Quotas } from "../contract/tenant-shapes.ts";
import { billingPushWaitMs, tenantDeletionWaitMs } from "../limits.ts";
import type {
  AuditPage,
  CreatedKey,
  KeysPage,
  Provider,
  ProvidersPage,
  Resealed,
  RotatedKey,
  Sweep,
  Tenant,
  TenantPrices,
  TenantRules,
  TenantsPage,
  UsagePage,
} from "./replies.ts";
import type {
  AuditQuery,
  KeyRequest,
  PageQuery,
  PriceList,
  ProviderRequest,
  RotateRequest,
  UsageQuery,
} from "./requests.ts";
import { type CallOptions, Transport } from "./transport.ts";

/** The operator's calls, with the operator's secret. */
export class HeddleAdmin {
  readonly #transport: Transport;

  constructor({ url, secret }: { readonly url: string; readonly secret: string }) {
    this.#transport = new Transport({ url, key: secret });
  }

  /** A new tenant, without keys. */
  createTenant(name: string, options: CallOptions = {}): Promise<Tenant> {
    return this.#post("/admin/tenants", { name }, options);
  }
  /** Tenants, oldest first. */
  listTenants(query: PageQuery = {}, options: CallOptions = {}): Promise<TenantsPage> {
    return this.#get("/admin/tenants", { ...query }, options);
  }
  /** One tenant with its quotas. */
  tenant(tenant: string, options: CallOptions = {}): Promise<Tenant> {
    return this.#get(of(tenant), {}, options);
  }
  /** All of them: what is left out has no bound. */
  setQuotas(tenant: string, quotas: Quotas, options: CallOptions = {}): Promise<Tenant> {
    return this.#put(`${of(tenant)}/quotas`, quotas, options);
  }
  /** Its own prices, beside the deployment's list. */
  tenantPrices(tenant: string, options: CallOptions = {}): Promise<TenantPrices> {
    return this.#get(`${of(tenant)}/prices`, {}, options);
  }
  /** Sets them, all at once, for runs that are created from now on. */
  setTenantPrices(tenant: string, prices: PriceList, options: CallOptions = {}): Promise<TenantPrices> {
    return this.#put(`${of(tenant)}/prices`, { prices }, options);
  }
  /** Takes them away: new runs are counted at the deployment's list. */
  async deleteTenantPrices(tenant: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(`${of(tenant)}/prices`, options);
  }
  /** The rules that all of its runs are held to. */
  tenantRules(tenant: string, options: CallOptions = {}): Promise<TenantRules> {
    return this.#get(`${of(tenant)}/rules`, {}, options);
  }
  /** Sets them, in Markdown, for new runs and live ones. @throws HeddleProblem `rules_invalid` */
  setTenantRules(tenant: string, rules: string, options: CallOptions = {}): Promise<TenantRules> {
    return this.#put(`${of(tenant)}/rules`, { rules }, options);
  }
  /** Takes them away, of live runs too. */
  async deleteTenantRules(tenant: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(`${of(tenant)}/rules`, options);
  }
  /** Begins a deletion, or carries it on: it is done when `status` is `deleted`. Heddle carries it on by itself, too. */
  deleteTenant(tenant: string, options: CallOptions = {}): Promise<Tenant> {
    return this.#transport.json({ ...options, method: "DELETE", path: of(tenant), waitMs: tenantDeletionWaitMs });
  }

  /** `key` of the answer is shown this once. */
  createKey(tenant: string, key: KeyRequest = {}, options: CallOptions = {}): Promise<CreatedKey> {
    return this.#post(`${of(tenant)}/keys`, key, options);
  }
  /** Its keys, without their secrets. */
  listKeys(tenant: string, query: PageQuery = {}, options: CallOptions = {}): Promise<KeysPage> {
    return this.#get(`${of(tenant)}/keys`, { ...query }, options);
  }
  /** A new key in place of one, which still works for a while. */
  rotateKey(tenant: string, key: string, how: RotateRequest = {}, options: CallOptions = {}): Promise<RotatedKey> {
    return this.#post(`${of(tenant)}/keys/${encodeURIComponent(key)}/rotate`, how, options);
  }
  /** The next request with it is refused. */
  async revokeKey(tenant: string, key: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(`${of(tenant)}/keys/${encodeURIComponent(key)}`, options);
  }

  /** Its credentials at model providers. */
  listProviders(tenant: string, query: PageQuery = {}, options: CallOptions = {}): Promise<ProvidersPage> {
    return this.#get(`${of(tenant)}/providers`, { ...query }, options);
  }
  /** Sets a credential; its key is never shown again. */
  putProvider(tenant: string, name: string, body: ProviderRequest, options: CallOptions = {}): Promise<Provider> {
    const path = `${of(tenant)}/providers/${encodeURIComponent(name)}`;
    return this.#put(path, body, options);
  }
  /** Takes a credential away. */
  async deleteProvider(tenant: string, name: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(`${of(tenant)}/providers/${encodeURIComponent(name)}`, options);
  }
  /** Seals anew what an earlier secret sealed; `left`: there is more. */
  resealProviders(options: CallOptions = {}): Promise<Resealed> {
    return this.#post("/admin/providers/reseal", {}, options);
  }

  /** How the cron sweep is doing: its passes, and runs that it can't visit. */
  sweep(options: CallOptions = {}): Promise<Sweep> {
    return this.#get("/admin/sweep", {}, options);
  }

  /** What was done, oldest first. */
  audit(query: AuditQuery = {}, options: CallOptions = {}): Promise<AuditPage> {
    return this.#get("/admin/audit", { ...query }, options);
  }

  /** What a tenant has used, or, without one, all of them. */
  usage(query: UsageQuery & { readonly tenant?: string } = {}, options: CallOptions = {}): Promise<UsagePage> {
    const { tenant, ...asked } = query;
    return this.#get(tenant === undefined ? "/admin/usage" : `${of(tenant)}/usage`, { ...asked }, options);
  }

  /** To whom at the billing provider a tenant's usage is billed, and how far it is. */
  billing(tenant: string, options: CallOptions = {}): Promise<BillingView> {
    return this.#get(`${of(tenant)}/billing`, {}, options);
  }
  /** Bills what the tenant uses to a customer of the provider. */
  setBilling(tenant: string, body: BillingRequest, options: CallOptions = {}): Promise<BillingView> {
    return this.#transport.json({ ...options, method: "PUT", path: `${of(tenant)}/billing`, body });
  }
  /** Bills nothing more. */
  async removeBilling(tenant: string, options: CallOptions = {}): Promise<void> {
    await this.#delete(`${of(tenant)}/billing`, options);
  }
  /** Meter events as the provider takes them, oldest first, and what became of each. */
  billingEvents(
    query: PageQuery & { readonly tenant?: string; readonly state?: EventState } = {},
    options: CallOptions = {},
  ): Promise<MeterEventsPage> {
    return this.#get("/admin/billing/events", { ...query }, options);
  }
  /** One pass now; `open_hours`: of what was used in the present hour, too. */
  pushBilling(body: { readonly open_hours?: boolean } = {}, options: CallOptions = {}): Promise<BillingPushView> {
    return this.#transport.json({
      ...options,
      method: "POST",
      path: "/admin/billing/push",
      body,
      waitMs: billingPushWaitMs,
    });
  }
  /** Events that the provider refused are to be sent again. */
  retryBilling(body: { readonly tenant?: string } = {}, options: CallOptions = {}): Promise<{ retried: number }> {
    return this.#post("/admin/billing/retry", body, options);
  }

  #get<Reply>(path: string, query: Record<string, string | number | undefined>, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "GET", path, query });
  }
  #post<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "POST", path, body });
  }
  #put<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "PUT", path, body });
  }
  #delete(path: string, options: CallOptions): Promise<void> {
    return this.#transport.remove(path, options);
  }
}

const of = (tenant: string): string => `/admin/tenants/${encodeURIComponent(tenant)}`;
