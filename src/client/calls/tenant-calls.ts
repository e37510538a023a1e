/** What the key may do, and the tenant's own settings: with a key that has the scope `tenant_admin`. */

import type { AboutView, AuditPage, Prices, Provider, ProvidersPage, QuotasAndUse, TenantRules } from "../replies.ts";
import type { PageQuery, ProviderRequest } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { Calls } from "./calls.ts";

/** What the key may do, and the tenant's own settings: with a key that has the scope `tenant_admin`. */
export class TenantCalls extends Calls {
  /** Resolves when the server is ready to serve. @throws HeddleProblem `not_ready`, HeddleUnreachable */
  async health(options: CallOptions = {}): Promise<void> {
    await this.transport.json({ ...options, method: "GET", path: "/health", withKey: false });
  }

  /** What the key may do, and what is behind it. */
  about(options: CallOptions = {}): Promise<AboutView> {
    return this.getJson("/v1/about", {}, options);
  }

  /** The tenant's credentials at model providers, by name. */
  listProviders(query: PageQuery = {}, options: CallOptions = {}): Promise<ProvidersPage> {
    return this.getJson("/v1/providers", { ...query }, options);
  }
  /** One of them, by its name. */
  provider(name: string, options: CallOptions = {}): Promise<Provider> {
    return this.getJson(`/v1/providers/${encodeURIComponent(name)}`, {}, options);
  }
  /** Sets a credential; its key is never shown again. */
  putProvider(name: string, body: ProviderRequest, options: CallOptions = {}): Promise<Provider> {
    return this.putJson(`/v1/providers/${encodeURIComponent(name)}`, body, options);
  }
  /** Takes a credential away. */
  async deleteProvider(name: string, options: CallOptions = {}): Promise<void> {
    await this.transport.remove(`/v1/providers/${encodeURIComponent(name)}`, options);
  }
  /** What the tenant may use at most, and what it uses now. */
  quotas(options: CallOptions = {}): Promise<QuotasAndUse> {
    return this.getJson("/v1/quotas", {}, options);
  }
  /** What models cost the tenant's runs. */
  prices(options: CallOptions = {}): Promise<Prices> {
    return this.getJson("/v1/prices", {}, options);
  }
  /** The rules that all of the tenant's runs are held to. */
  tenantRules(options: CallOptions = {}): Promise<TenantRules> {
    return this.getJson("/v1/rules", {}, options);
  }
  /** Sets them, in Markdown, for new runs and live ones. @throws HeddleProblem `rules_invalid` */
  setTenantRules(rules: string, options: CallOptions = {}): Promise<TenantRules> {
    return this.putJson("/v1/rules", { rules }, options);
  }
  /** Takes them away, of live runs too. */
  async deleteTenantRules(options: CallOptions = {}): Promise<void> {
    await this.transport.remove("/v1/rules", options);
  }
  /** What was done to the tenant, oldest first. */
  audit(query: PageQuery = {}, options: CallOptions = {}): Promise<AuditPage> {
    return this.getJson("/v1/audit", { ...query }, options);
  }
}
