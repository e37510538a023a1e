/** Looks prices up: the exact name, then the longest name that the model's begins with. */

import { cacheableTokensDefault } from "../limits.ts";
import { type Price, picosPerUsd, type Rates } from "./price.ts";
import { type ListPrice, type ListRates, simulatedModel } from "./table.ts";

/** A longer name is a version, a date or a place of the shorter one only after one of these. */
const boundaries = new Set(["-", "@", ":"]);

export interface FoundPrice {
  readonly name: string;
  readonly listed: ListPrice;
  readonly price: Price;
}

export class Prices {
  readonly #listed: ReadonlyMap<string, ListPrice>;
  readonly #found = new Map<string, FoundPrice | undefined>();

  constructor(listed: Readonly<Record<string, ListPrice>>) {
    this.#listed = new Map(Object.entries(listed));
  }

  /** Undefined: nobody knows what this model costs. */
  find(model: string): FoundPrice | undefined {
    if (!this.#found.has(model)) this.#found.set(model, this.#look(model));
    return this.#found.get(model);
  }

  /** What runs on the simulated model: the price of the model that it stands for if that is known, else its own. */
  simulated(model: string): FoundPrice | undefined {
    return this.find(model) ?? this.find(simulatedModel);
  }

  #look(model: string): FoundPrice | undefined {
    let name = this.#listed.has(model) ? model : undefined;
    for (const one of name === undefined ? this.#listed.keys() : []) {
      if (model.startsWith(one) && boundaries.has(model[one.length]!) && one.length > (name?.length ?? 0)) name = one;
    }
    const listed = name === undefined ? undefined : this.#listed.get(name);
    return name === undefined || !listed ? undefined : { name, listed, price: priceOf(listed) };
  }
}

const picos = (usd: number): number => Math.round(usd * picosPerUsd);

const ratesOf = ({ input, output, cache_write = input, cache_read = input }: ListRates): Rates => ({
  input: picos(input),
  write: picos(cache_write),
  read: picos(cache_read),
  output: picos(output),
});

const priceOf = (listed: ListPrice): Price => ({
  ...ratesOf(listed),
  cacheableFrom: listed.cacheable_from ?? cacheableTokensDefault,
  ...(listed.long && { long: { over: listed.long.over, ...ratesOf(listed.long) } }),
});
