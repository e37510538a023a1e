/** Which model makes a task's calls, and what it costs: the table, the deployment's own list, its tenant's, and the providers together. */

import type { Format } from "../../context/types.ts";
import { parsePriceList } from "../../contract/price-list.ts";
import { type FoundPrice, Prices } from "../../prices/prices.ts";
import { type ListPrice, listPrices } from "../../prices/table.ts";
import { type ProviderSecrets, type ServedBy, servedBy } from "../../served-by.ts";

/** A model as a call of it is billed. */
export interface ModelUsed {
  readonly model: string;
  /** It ran on the simulated model, whatever it is called: nobody is billed. */
  readonly simulated?: boolean;
}

export interface TaskModel extends ModelUsed {
  readonly found: FoundPrice | undefined;
}

export class Models {
  readonly #env: ProviderSecrets & { readonly HEDDLE_PRICES?: string };
  readonly #prices: Prices;

  /**
   * A price list that can't be read leaves no model a price (and /health says so): a wrong sum is worse than none. `own`: of a
   * tenant, before the others.
   */
  constructor(env: ProviderSecrets & { readonly HEDDLE_PRICES?: string }, own?: Readonly<Record<string, ListPrice>>) {
    this.#env = env;
    const deployment = parsePriceList(env.HEDDLE_PRICES);
    this.#prices = new Prices(deployment.ok ? { ...listPrices, ...deployment.prices, ...own } : {});
  }

  /** With a tenant's prices, as JSON, before the others. */
  under(prices: string | undefined): Models {
    if (prices === undefined) return this;
    return new Models(this.#env, JSON.parse(prices) as Readonly<Record<string, ListPrice>>);
  }

  /**
   * The model that a hosted task's seat calls: the task's own, its context's, or its provider's: that of the run's credential,
   * else the deployment's. Undefined without a provider.
   */
  hosted(
    format: Format,
    credential: { readonly model: string } | undefined,
    ...named: (string | undefined)[]
  ): TaskModel | undefined {
    const served = this.#servedBy(format, credential);
    return served && this.#with(served, named.find((name) => name !== undefined) ?? served.model);
  }

  /** As `hosted`, its name alone. */
  nameOfHosted(
    format: Format,
    credential: { readonly model: string } | undefined,
    ...named: (string | undefined)[]
  ): string | undefined {
    return named.find((name) => name !== undefined) ?? this.#servedBy(format, credential)?.model;
  }

  #servedBy(format: Format, credential: { readonly model: string } | undefined): ServedBy | undefined {
    return credential ? { provider: format, model: credential.model } : servedBy(format, this.#env);
  }

  /** The price of a call that was made. */
  priceOf({ model, simulated }: ModelUsed): FoundPrice | undefined {
    return simulated ? this.#prices.simulated(model) : this.#prices.find(model);
  }

  #with({ provider }: ServedBy, model: string): TaskModel {
    const used = { model, ...(provider === "simulated" && { simulated: true }) };
    return { ...used, found: this.priceOf(used) };
  }
}
