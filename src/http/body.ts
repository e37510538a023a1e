/**
 * Reads a request's body once: bytes within the cap, UTF-8, JSON, the route's schema, in this order.
 *
 * The text is kept beside the parsed value, because messages are passed on as the text received. Of a key given twice both
 * take the last (context/json-text.ts, J2), so what was validated is what is passed on.
 */

import * as z from "zod";
import type { Place } from "../admission.ts";
import { isObject } from "../context/is-object.ts";
import { jsonErrorAt, placeText } from "../context/json-position.ts";
import { mismatchOf } from "../contract/field-errors.ts";
import { overfullJson, unfitJson } from "../contract/json-bounds.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import { bodyBytesMax } from "../limits.ts";

export interface ReadBody<Body> {
  readonly value: Body;
  readonly text: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * @param place is given up where the body comes too slowly and others need the place
 * @throws Fault body_too_large, unsupported_media_type, malformed_json, validation_failed, overloaded, or what a check names
 */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  place?: Place,
): Promise<ReadBody<z.output<Schema>>> {
  const bytes = await readBytes(request, place);
  if (bytes.length > 0) requireType(request.headers, jsonType);
  const text = bytes.length === 0 ? "{}" : decode(bytes);
  return { value: validate(schema, parse(text)), text, bytes };
}

const linesType = /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** A body of JSON lines, as its text. `place` as of readBody. @throws Fault body_too_large, unsupported_media_type, malformed_json, overloaded */
export async function readLines(
  request: Request,
  place?: Place,
): Promise<{ text: string; bytes: Uint8Array<ArrayBuffer> }> {
  requireType(request.headers, linesType);
  const bytes = await readBytes(request, place);
  return { text: decode(bytes), bytes };
}

/** @param name what the value is, where it is no body and no query. @throws Fault validation_failed, or what a check names */
export function validate<Schema extends z.ZodType>(schema: Schema, value: unknown, name = ""): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { code, errors: found } = mismatchOf(parsed.error);
  const errors = found.map((error) => (error.path === "" ? { ...error, path: name } : error));
  const [first] = errors;
  throw new Fault(code, first && (first.path === "" ? first.message : `${first.path}: ${first.message}`), errors);
}

/** The cap holds while the body arrives, whatever content-length says. */
async function readBytes(request: Request, place?: Place): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(request.headers.get("content-length") ?? 0) > bodyBytesMax) throw new Fault("body_too_large");
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = (request.body as ReadableStream<Uint8Array> | null)?.getReader();
  // Whoever is in the middle of `read` is told that nothing more comes.
  if (reader) place?.reads(Date.now(), () => void reader.cancel().catch(() => undefined));
  while (reader) {
    const { done, value } = await reader.read().catch(cutOff);
    if (place?.isLeft) throw new Fault("overloaded", "The body came slowly, and others needed the place.");
    if (done) break;
    place?.received(value.length);
    size += value.length;
    if (size > bodyBytesMax) {
      await reader.cancel();
      throw new Fault("body_too_large");
    }
    chunks.push(value);
  }
  place?.hasRead();
  return Buffer.concat(chunks);
}

/** The client's doing, and nothing to be logged as an error of ours. */
const cutOff = (): never => {
  throw new Fault("malformed_json", "the body broke off");
};

const jsonType = /^application\/(?:json|[\w.-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

function requireType(headers: Headers, wanted: RegExp): void {
  const type = headers.get("content-type");
  if (type === null || !wanted.test(type)) {
    throw new Fault(
      "unsupported_media_type",
      type === null ? "there is no content-type" : `content-type is ${type.slice(0, 100)}`,
    );
  }
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity")
    throw new Fault("unsupported_media_type", `content-encoding is ${encoding.slice(0, 100)}`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new Fault("malformed_json", "the body is not UTF-8");
  }
}

function parse(text: string): unknown {
  const overfull = overfullJson(text);
  if (overfull !== undefined) throw unfit(`${overfull}; send it in several requests`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const at = jsonErrorAt(text);
    const what = at === text.length ? "the text ends too early" : `unexpected ${JSON.stringify(text[at])}`;
    throw new Fault("malformed_json", `${what} at ${placeText(text, at)}`);
  }
  if (!isObject(value)) {
    throw new Fault("validation_failed", "the body must be a JSON object", [{ path: "", message: "expected object" }]);
  }
  const message = unfitJson(value);
  if (message !== undefined) throw unfit(message);
  return value;
}

const unfit = (message: string): Fault =>
  new Fault("validation_failed", `the body ${message}`, [{ path: "", message }]);

/** The query as an object; a parameter given twice is refused. @throws Fault as `validate` */
export function readQuery<Schema extends z.ZodType>(url: URL, schema: Schema): z.output<Schema> {
  const entries = [...url.searchParams];
  const seen = new Set<string>();
  for (const [name] of entries) {
    if (seen.has(name)) throw Fault.of(fieldFault(name, "given twice"));
    seen.add(name);
  }
  return validate(schema, Object.fromEntries(entries));
}

export const noQuery = z.strictObject({});
