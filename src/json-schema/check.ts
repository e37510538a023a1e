/**
 * Holds a JSON value against a JSON Schema (2020-12, and what older drafts called otherwise), in a bounded number of steps.
 *
 * The library (`@cfworker/json-schema`) finds what references mean; it does not do the rest, since nothing bounds what it does: a
 * pattern, items that are to be unique and schemas that refer to each other twice take it for ever, on a thread that is everybody's.
 *
 * C1. It takes what the library takes and refuses what that refuses, but where it throws TooMuchWork.
 * C2. Of what is wrong the last is kept: what is innermost, and so what helps whoever is to mend it.
 */

import type { Schema } from "@cfworker/json-schema";
import { schemaErrorsShown, schemaStepsMax } from "../limits.ts";
import { isEqual, memberOf, twiceIn } from "./equal.ts";
import { hasFormat } from "./formats.ts";
import { Pattern } from "./pattern.ts";
import { schemasIn } from "./references.ts";
import { Work } from "./work.ts";

export interface Mismatch {
  /** A JSON pointer, `#` the value itself. */
  readonly at: string;
  readonly error: string;
}

/** What is wrong with the value; empty: it matches. @throws Error where the schema can't be used, TooMuchWork */
export function mismatches(schema: unknown, value: unknown): readonly Mismatch[] {
  return new Check(schema as Schema).of(value, schema as Schema, "#", new Evaluated());
}

type Kind = "array" | "boolean" | "null" | "number" | "object" | "string";

type AnySchema = Schema | boolean;
type Named = Readonly<Record<string, AnySchema>>;

/** Members and items that some part of the schema has had its say about. */
class Evaluated {
  readonly #names = new Set<string | number>();
  readonly #outer: Evaluated | undefined;

  constructor(outer?: Evaluated) {
    this.#outer = outer;
  }

  has(name: string | number, work: Work): boolean {
    for (let here: Evaluated | undefined = this; here; here = here.#outer) {
      work.spend(1);
      if (here.#names.has(name)) return true;
    }
    return false;
  }

  add(name: string | number): void {
    this.#names.add(name);
  }

  take(from: Evaluated, work: Work): void {
    work.spend(from.#names.size);
    for (const name of from.#names) this.#names.add(name);
  }
}

class Errors {
  readonly list: Mismatch[] = [];

  add(at: string, error: string, within: readonly Mismatch[] = []): void {
    this.addAll([{ at, error }, ...within]);
  }

  addAll(wrong: readonly Mismatch[]): void {
    this.list.push(...wrong);
    if (this.list.length > schemaErrorsShown) this.list.splice(0, this.list.length - schemaErrorsShown);
  }
}

const kindOf = (value: unknown): Kind =>
  value === null ? "null" : Array.isArray(value) ? "array" : (typeof value as Kind);

// A name may have half a character, which no address can.
const halves = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const pointer = (at: string, key: string): string =>
  `${at}/${encodeURI(key.replaceAll("~", "~0").replaceAll("/", "~1").replace(halves, "\ufffd")).replaceAll("#", "%23")}`;

class Check {
  readonly #work = new Work(schemaStepsMax);
  readonly #schemas: Readonly<Record<string, AnySchema>>;
  readonly #patterns = new Map<string, Pattern>();
  readonly #entries = new Map<object, [string, unknown][]>();

  constructor(schema: Schema) {
    this.#schemas = schemasIn(schema, this.#work);
  }

  of(value: unknown, schema: AnySchema, at: string, evaluated: Evaluated): readonly Mismatch[] {
    this.#work.spend(4);
    if (schema === true) return [];
    if (schema === false) return [{ at, error: "False boolean schema." }];
    const errors = new Errors();
    this.#references(value, schema, at, evaluated, errors);
    this.#kind(value, schema, at, errors);
    this.#combined(value, schema, at, evaluated, errors);
    if (Array.isArray(value)) this.#items(value, schema, at, evaluated, errors);
    else if (typeof value === "object" && value !== null) this.#members(value, schema, at, evaluated, errors);
    else if (typeof value === "number") this.#number(value, schema, at, errors);
    else if (typeof value === "string") this.#text(value, schema, at, errors);
    return errors.list;
  }

  /** Of a value of its own, about which nothing is known yet. */
  #ofPart(value: unknown, schema: AnySchema, at: string): readonly Mismatch[] {
    return this.of(value, schema, at, new Evaluated());
  }

  #references(value: unknown, schema: Schema, at: string, evaluated: Evaluated, errors: Errors): void {
    const follow = (keyword: "$ref" | "$recursiveRef", uri: string | undefined) => {
      const meant = this.#schemas[uri ?? ""];
      if (meant === undefined) throw new Error(`Unresolved ${keyword} "${schema[keyword]}".`);
      const within = this.of(value, meant, at, evaluated);
      if (within.length > 0) errors.add(at, "A subschema had errors.", within);
    };
    if (schema.$recursiveRef === "#") follow("$recursiveRef", schema.__absolute_recursive_ref__);
    if (schema.$ref !== undefined) follow("$ref", schema.__absolute_ref__ ?? schema.$ref);
  }

  #kind(value: unknown, { type, const: constant, enum: choices }: Schema, at: string, errors: Errors): void {
    const kind = kindOf(value);
    const is = (name: string) =>
      name === "integer" ? kind === "number" && (value as number) % 1 === 0 : name === kind;
    const types = Array.isArray(type) ? type : type === undefined ? [] : [type];
    this.#work.spend(types.length);
    if (type !== undefined && !types.some(is))
      errors.add(at, `Instance type "${kind}" is invalid. Expected "${types.join('", "')}".`);
    if (constant !== undefined && !isEqual(value, constant, this.#work))
      errors.add(at, `Instance does not match ${this.#shown(constant)}.`);
    if (choices !== undefined && !choices.some((choice) => isEqual(value, choice, this.#work)))
      errors.add(at, `Instance does not match any of ${this.#shown(choices)}.`);
  }

  #shown(value: unknown): string {
    const text = JSON.stringify(value);
    this.#work.spend(text.length / 16);
    return text;
  }

  #combined(value: unknown, schema: Schema, at: string, evaluated: Evaluated, errors: Errors): void {
    const { not, anyOf, allOf, oneOf } = schema;
    if (not !== undefined && this.#ofPart(value, not, at).length === 0)
      errors.add(at, 'Instance matched "not" schema.');
    const matched: Evaluated[] = [];
    /** How many of them match, and what is wrong with the others. */
    const each = (parts: readonly AnySchema[]) => {
      let count = 0;
      const within = new Errors();
      for (const part of parts) {
        const own = new Evaluated(evaluated);
        const wrong = this.of(value, part, at, own);
        within.addAll(wrong);
        if (wrong.length > 0) continue;
        matched.push(own);
        count++;
      }
      return { count, within: within.list };
    };
    if (anyOf !== undefined) {
      const { count, within } = each(anyOf);
      if (count === 0) errors.add(at, "Instance does not match any subschemas.", within);
    }
    if (allOf !== undefined) {
      const { count, within } = each(allOf);
      if (count < allOf.length) errors.add(at, "Instance does not match every subschema.", within);
    }
    if (oneOf !== undefined) {
      const { count, within } = each(oneOf);
      if (count !== 1) errors.add(at, `Instance does not match exactly one subschema (${count} matches).`, within);
    }
    for (const own of matched) evaluated.take(own, this.#work);
    this.#condition(value, schema, at, evaluated, errors);
  }

  #condition(value: unknown, schema: Schema, at: string, evaluated: Evaluated, errors: Errors): void {
    if (schema.if === undefined) return;
    const own = new Evaluated();
    const holds = this.of(value, schema.if, at, own).length === 0;
    if (holds) evaluated.take(own, this.#work);
    const branch = holds ? "then" : "else";
    const follows = schema[branch];
    const within = follows === undefined ? [] : this.of(value, follows, at, evaluated);
    if (within.length > 0) errors.add(at, `Instance does not match "${branch}" schema.`, within);
  }

  #members(value: object, schema: Schema, at: string, evaluated: Evaluated, errors: Errors): void {
    const keys = Object.keys(value);
    this.#work.spend(keys.length);
    const { required, minProperties: least, maxProperties: most, propertyNames, dependentRequired } = schema;
    const requires = (names: readonly string[], message: (name: string) => string) => {
      this.#work.spend(names.length);
      for (const name of names) if (!Object.hasOwn(value, name)) errors.add(at, message(name));
    };
    if (required) requires(required, (name) => `Instance does not have required property "${name}".`);
    if (least !== undefined && keys.length < least)
      errors.add(at, `Instance does not have at least ${least} properties.`);
    if (most !== undefined && keys.length > most) errors.add(at, `Instance has more than ${most} properties.`);
    if (propertyNames !== undefined) {
      for (const key of keys) {
        const within = this.#ofPart(key, propertyNames, pointer(at, key));
        if (within.length > 0) errors.add(at, `Property name "${key}" does not match schema.`, within);
      }
    }
    const names = (key: string, needed: readonly string[]) => {
      if (Object.hasOwn(value, key)) requires(needed, (name) => `Instance has "${key}" but does not have "${name}".`);
    };
    const depends = (key: string, part: AnySchema, own: Evaluated) => {
      const within = Object.hasOwn(value, key) ? this.of(value, part, at, own) : [];
      if (within.length > 0) errors.add(at, `Instance has "${key}" but does not match dependant schema.`, within);
    };
    for (const [key, needed] of this.#named(dependentRequired)) names(key, needed);
    for (const [key, part] of this.#named(schema.dependentSchemas)) depends(key, part, evaluated);
    for (const [key, part] of this.#named(schema.dependencies)) {
      if (Array.isArray(part)) names(key, part);
      else depends(key, part, new Evaluated());
    }
    this.#properties(value, keys, schema, at, evaluated, errors);
  }

  /** What stands under names in a schema, which is gone through for each value, whatever that has. */
  #named<Part>(parts: Readonly<Record<string, Part>> | undefined): [string, Part][] {
    if (parts === undefined) return [];
    const named = this.#entries.get(parts) ?? Object.entries(parts);
    this.#entries.set(parts, named);
    this.#work.spend(named.length);
    return named as [string, Part][];
  }

  #properties(
    value: object,
    keys: readonly string[],
    { properties, patternProperties, additionalProperties, unevaluatedProperties }: Schema,
    at: string,
    evaluated: Evaluated,
    errors: Errors,
  ): void {
    const known = new Set<string>();
    const hold = (key: string, part: AnySchema, message: string) => {
      // Its name is in the place, and in what is told.
      this.#work.spend(key.length / 16);
      const within = this.#ofPart(memberOf(value, key), part, pointer(at, key));
      known.add(key);
      if (within.length === 0) evaluated.add(key);
      else errors.add(at, message, within);
    };
    for (const [key, part] of this.#named(properties as Named | undefined)) {
      if (Object.hasOwn(value, key)) hold(key, part, `Property "${key}" does not match schema.`);
    }
    for (const [source, part] of this.#named(patternProperties as Named | undefined)) {
      const message = (key: string) =>
        `Property "${key}" matches pattern "${source}" but does not match associated schema.`;
      for (const key of keys) if (this.#matches(source, key)) hold(key, part, message(key));
    }
    if (additionalProperties !== undefined) {
      const message = (key: string) => `Property "${key}" does not match additional properties schema.`;
      for (const key of keys) if (!known.has(key)) hold(key, additionalProperties, message(key));
    } else if (unevaluatedProperties !== undefined) {
      const message = (key: string) => `Property "${key}" does not match unevaluated properties schema.`;
      for (const key of keys) if (!evaluated.has(key, this.#work)) hold(key, unevaluatedProperties, message(key));
    }
  }

  #items(items: readonly unknown[], schema: Schema, at: string, evaluated: Evaluated, errors: Errors): void {
    const { maxItems: most, minItems: least, unevaluatedItems, uniqueItems } = schema;
    const { length } = items;
    if (most !== undefined && length > most) errors.add(at, `Array has too many items (${length} > ${most}).`);
    if (least !== undefined && length < least) errors.add(at, `Array has too few items (${length} < ${least}).`);
    let next = 0;
    const hold = (part: AnySchema, message: string) => {
      const within = this.#ofPart(items[next], part, `${at}/${next}`);
      evaluated.add(next);
      if (within.length > 0) errors.add(at, message, within);
      next++;
    };
    const prefix = schema.prefixItems ?? [];
    const first = [...prefix, ...(Array.isArray(schema.items) ? schema.items.slice(prefix.length) : [])];
    this.#work.spend(first.length);
    for (const part of first.slice(0, length)) hold(part, "Items did not match schema.");
    if (schema.items !== undefined && !Array.isArray(schema.items))
      while (next < length) hold(schema.items, "Items did not match schema.");
    if (schema.items !== undefined && schema.additionalItems !== undefined)
      while (next < length) hold(schema.additionalItems, "Items did not match additional items schema.");
    this.#contains(items, schema, at, evaluated, errors);
    if (unevaluatedItems !== undefined) {
      while (next < length) {
        if (evaluated.has(next, this.#work)) next++;
        else hold(unevaluatedItems, "Items did not match unevaluated items schema.");
      }
    }
    const twice = uniqueItems ? twiceIn(items, this.#work) : undefined;
    if (twice) errors.add(at, `Duplicate items at indexes ${twice[0]} and ${twice[1]}.`);
  }

  #contains(
    items: readonly unknown[],
    { contains, minContains: least, maxContains: most }: Schema,
    at: string,
    evaluated: Evaluated,
    errors: Errors,
  ): void {
    if (contains === undefined) return;
    let count = 0;
    for (const [i, item] of items.entries()) {
      if (this.#ofPart(item, contains, `${at}/${i}`).length > 0) continue;
      evaluated.add(i);
      count++;
    }
    if (least === undefined && count === 0) errors.add(at, "Array does not contain item matching schema.");
    else if (least !== undefined && count < least)
      errors.add(at, `Array must contain at least ${least} items matching schema. Only ${count} items were found.`);
    else if (most !== undefined && count > most)
      errors.add(at, `Array may contain at most ${most} items matching schema. ${count} items were found.`);
  }

  #number(value: number, schema: Schema, at: string, errors: Errors): void {
    const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf } = schema;
    if (minimum !== undefined && value < minimum) errors.add(at, `${value} is less than ${minimum}.`);
    if (maximum !== undefined && value > maximum) errors.add(at, `${value} is greater than ${maximum}.`);
    if (typeof above === "number" && value <= above) errors.add(at, `${value} is not greater than ${above}.`);
    if (typeof below === "number" && value >= below) errors.add(at, `${value} is greater than or equal to ${below}.`);
    if (multipleOf !== undefined && !isMultiple(value, multipleOf))
      errors.add(at, `${value} is not a multiple of ${multipleOf}.`);
  }

  #text(
    value: string,
    { minLength: least, maxLength: most, pattern, format }: Schema,
    at: string,
    errors: Errors,
  ): void {
    this.#work.spend(value.length / 16);
    const length = least === undefined && most === undefined ? 0 : charactersOf(value, this.#work);
    if (least !== undefined && length < least) errors.add(at, `String is too short (${length} < ${least}).`);
    if (most !== undefined && length > most) errors.add(at, `String is too long (${length} > ${most}).`);
    if (pattern !== undefined && !this.#matches(pattern, value)) errors.add(at, "String does not match pattern.");
    if (format !== undefined && !hasFormat(format, value, this.#work))
      errors.add(at, `String does not match format "${format}".`);
  }

  #matches(source: string, text: string): boolean {
    let pattern = this.#patterns.get(source);
    if (!pattern) {
      pattern = new Pattern(source, this.#work);
      this.#patterns.set(source, pattern);
    }
    return pattern.test(text, this.#work);
  }
}

function charactersOf(text: string, work: Work): number {
  work.spend(text.length / 4);
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** As written in decimal digits: 0.3 is a multiple of 0.1. */
function isMultiple(value: number, of: number): boolean {
  if (!Number.isFinite(value) || !Number.isFinite(of) || of <= 0) return false;
  const [digits, exponent] = decimal(value);
  const [ofDigits, ofExponent] = decimal(of);
  const shift = BigInt(Math.abs(exponent - ofExponent));
  return exponent >= ofExponent ? (digits * 10n ** shift) % ofDigits === 0n : digits % (ofDigits * 10n ** shift) === 0n;
}

function decimal(value: number): readonly [bigint, number] {
  const [coefficient = "0", exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole = "0", fraction = ""] = coefficient.split(".");
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}
