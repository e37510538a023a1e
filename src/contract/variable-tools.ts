/**
 * The tools of shared variables: one flat schema a kind (T1 of tools.ts), and which fields each op takes.
 *
 * Owns what models read about a kind, and what is wrong with the arguments of an op.
 * Does not own what an op does (variables/).
 */

import * as z from "zod";
import type { VariableErrorCode } from "../errors/codes.ts";
import * as limits from "../limits.ts";
import type {
  BlockingCall,
  BlockingCallOf,
  BlockingKind,
  Fence,
  LockMode,
  VariableCall,
  VariableKind,
} from "../variables/ops.ts";
import { fitsUtf8 } from "./utf8.ts";

/** Arguments that are refused with a code of their own. */
export class RefusedArguments extends Error {
  readonly code: VariableErrorCode;

  constructor(code: VariableErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface OpFields {
  readonly required?: readonly string[];
  readonly optional?: readonly string[];
}

interface VariableTool {
  readonly description: string;
  readonly ops: Readonly<Record<string, OpFields>>;
  readonly schema: z.ZodObject;
}

const version = z.int().min(0).describe("Only if this is still the version (0: absent).");
const fence = z
  .strictObject({ lock: z.string().min(1).max(limits.nameCharsMax), token: z.int().min(0) })
  .describe("{lock, token} of your hold, for a write that a lock guards.");

const timeout = (op: string) => z.int().min(0).max(limits.runTimeoutMsMax).describe(`${op}: give up after this.`);
const external = (what: string) => z.boolean().describe(`${what}: comes from outside the run.`);
/** It makes the wait an external one: whoever says what he wants to be told waits for somebody to tell him. */
const ask = (what: string) =>
  z
    .string()
    .min(1)
    .max(limits.askCharsMax)
    .refine((text) => text.isWellFormed(), "half of a surrogate pair stands alone")
    .describe(`${what}: asks a person this.`);

/** What it is needs no words, in any of nine tools: it comes to be at its first use, and is the same one for all tasks. */
const variableName = z.string();

const variable = (
  description: string,
  ops: Readonly<Record<string, OpFields>>,
  fields: Readonly<Record<string, z.ZodType>>,
): VariableTool => ({
  description,
  ops,
  schema: z.strictObject({
    op: z.enum(Object.keys(ops) as [string, ...string[]]),
    name: fields.names === undefined ? variableName : variableName.optional(),
    ...Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, schema.optional()])),
  }),
});

export const variableTools: Readonly<Record<VariableKind, VariableTool>> = {
  lock: variable(
    "Let one task at a time into a piece of work: acquire → {token}, do it, release. Waiting is free, first come, first served. acquire {mode: shared} lets readers in together; {names} takes several at once or none. try_acquire doesn't wait → {acquired, token?}. It is released when you finish or fail. Give its token as `fence` to the writes that it guards.",
    {
      acquire: { optional: ["names", "mode", "timeout_ms"] },
      try_acquire: { optional: ["mode"] },
      release: { optional: ["token"] },
    },
    {
      names: z.array(z.string()).min(1).max(limits.lockNamesMax).describe("acquire: several in place of `name`."),
      mode: z.enum(["exclusive", "shared"]).describe("acquire, try_acquire: exclusive if left out."),
      timeout_ms: timeout("acquire"),
      token: z.int().min(0).describe("release: your hold's."),
    },
  ),
  semaphore: variable(
    "Let at most so many tasks at a time do something: calls of a rate-limited service, heavy builds. create {permits} once, before the tasks that use it; then acquire {permits?}, work, release. Waiting is free, first come, first served. What you hold is released when you finish or fail.",
    {
      create: { required: ["permits"] },
      acquire: { optional: ["permits", "timeout_ms"] },
      release: { optional: ["permits"] },
    },
    {
      permits: z
        .int()
        .min(1)
        .max(limits.permitsMax)
        .describe("create: in all. acquire, release: how many; 1 if left out."),
      timeout_ms: timeout("acquire"),
    },
  ),
  barrier: variable(
    "Make tasks wait for one another: each calls wait {parties}, and all go on together once so many have arrived → {generation, index}, round by round. index 0 came first: let it alone do what is done once a round. Name the tasks in `members` to be told (barrier_broken) when one ends without arriving.",
    { wait: { required: ["parties"], optional: ["members", "timeout_ms"] } },
    {
      parties: z.int().min(1).max(limits.partiesMax).describe("How many must arrive, you included."),
      members: z
        .array(z.string().min(1).max(limits.nameCharsMax))
        .min(1)
        .max(limits.membersMax)
        .describe("Ids or keys of those who are to arrive."),
      timeout_ms: timeout("wait"),
    },
  ),
  message_queue: variable(
    "Pass messages from task to task, first in, first out; each goes to exactly one taker. push {messages} (waits while full); pop {max?} → {messages} (waits while empty); close when nothing more will come: pop then answers {closed: true} once it is empty. create {capacity} first to bound it.",
    {
      create: { required: ["capacity"] },
      push: { required: ["messages"], optional: ["timeout_ms"] },
      pop: { optional: ["max", "timeout_ms", "external", "ask"] },
      close: {},
      size: {},
    },
    {
      capacity: z
        .int()
        .min(1)
        .max(limits.queueCapacityMax)
        .describe(`create: how many messages fit; ${limits.queueCapacityDefault} if nobody creates it.`),
      messages: z.array(z.unknown()).min(1).max(limits.messagesPerCallMax),
      max: z.int().min(1).max(limits.messagesPerCallMax).describe("pop: at most so many; 1 if left out."),
      timeout_ms: timeout("push, pop"),
      external: external("pop"),
      ask: ask("pop"),
    },
  ),
  future: variable(
    "A value that is given once and that others wait for: resolve {value} or reject {error}, once; await → {value}, or {error} when it was rejected. await {names, mode?} waits for several → {futures: [{name, state, value or error}]}. peek doesn't wait → {state, value?}.",
    {
      resolve: { required: ["value"] },
      reject: { required: ["error"] },
      await: { optional: ["names", "mode", "timeout_ms", "external", "ask"] },
      peek: {},
    },
    {
      value: z.unknown(),
      error: z.unknown(),
      names: z.array(z.string()).min(1).max(limits.futureNamesMax).describe("await: several in place of `name`."),
      mode: z.enum(["all", "any", "settled"]).describe("await with names, as in await_tasks; all by default."),
      timeout_ms: timeout("await"),
      external: external("await"),
      ask: ask("await"),
    },
  ),
  atomic: variable(
    "One value that all tasks share, changed in indivisible steps: a counter, a flag, a best-so-far. get → {value}; set {value}; add {delta} → {value, previous}; compare_and_set {expected, value} → {ok, value}; exchange {value} → {previous}. A new atomic is 0.",
    {
      get: {},
      set: { required: ["value"] },
      add: { required: ["delta"] },
      compare_and_set: { required: ["expected", "value"] },
      exchange: { required: ["value"] },
    },
    {
      value: z.unknown(),
      expected: z.unknown(),
      delta: z.number(),
    },
  ),
  shared_map: variable(
    "Keys and JSON values that all tasks share: collect results by name, claim work. get {key} → {value, version} (absent: value null, version 0); set {key, value, if_version?}; delete {key}; increment {key, delta} → {value}; entries {prefix?, limit?, cursor?} → {entries, next_cursor}; size. Give if_version to change what you have read: then no write is lost.",
    {
      get: { required: ["key"] },
      set: { required: ["key", "value"], optional: ["if_version", "fence"] },
      delete: { required: ["key"], optional: ["if_version", "fence"] },
      increment: { required: ["key", "delta"], optional: ["fence"] },
      entries: { optional: ["prefix", "limit", "cursor"] },
      size: {},
    },
    {
      key: z.string().min(1).max(limits.mapKeyCharsMax),
      value: z.unknown(),
      if_version: version,
      delta: z.number(),
      prefix: z.string().max(limits.mapKeyCharsMax).describe("entries: keys that begin so."),
      limit: z.int().min(1).max(limits.pageRowsMax).describe("entries: 100 if left out."),
      cursor: z
        .string()
        .max(4 * limits.mapKeyCharsMax)
        .describe("entries: next_cursor."),
      fence,
    },
  ),
  shared_list: variable(
    "A list that all tasks share. append {items} → {size, index}; get {index} → {value, version}; slice {start?, end?} → {items, next}; set {index, value, if_version?}; size.",
    {
      append: { required: ["items"], optional: ["fence"] },
      get: { required: ["index"] },
      slice: { optional: ["start", "end"] },
      set: { required: ["index", "value"], optional: ["if_version", "fence"] },
      size: {},
    },
    {
      items: z.array(z.unknown()).min(1).max(limits.pageRowsMax),
      index: z.int().describe("get, set: 0 is the first."),
      value: z.unknown(),
      if_version: version,
      start: z.int().describe("slice: from this index on; 0 if left out."),
      end: z.int().describe("slice: up to it, exclusive; the size if left out."),
      fence,
    },
  ),
  shared_memory: variable(
    "One text that all tasks share: a plan, notes. read {from?, to?} → {text, version}; write {text, if_version?} replaces all of it; edit {old, new} replaces the one place where `old` stands; append {text} adds at the end. Prefer edit and append: they keep what others wrote meanwhile.",
    {
      read: { optional: ["from", "to"] },
      write: { required: ["text"], optional: ["if_version", "fence"] },
      edit: { required: ["old", "new"], optional: ["if_version", "fence"] },
      append: { required: ["text"], optional: ["fence"] },
    },
    {
      text: z.string(),
      old: z.string().min(1).describe("edit: text that stands there exactly once."),
      new: z.string().describe("edit: what comes in its place."),
      from: z.int().min(0).describe("read: from this character on."),
      to: z.int().min(0).describe("read: up to this character, without it."),
      if_version: version,
      fence,
    },
  ),
};

export const variableKinds = Object.keys(variableTools) as VariableKind[];

const blockingKinds: readonly string[] = [
  "lock",
  "semaphore",
  "barrier",
  "message_queue",
  "future",
] satisfies BlockingKind[];
export const isBlockingKind = (name: string): name is BlockingKind => blockingKinds.includes(name);

/** Its answer comes from a variable's own object, after the run's commit. */
export const isCarriedOutLater = (name: string): boolean =>
  name === "inspect" || (!isBlockingKind(name) && Object.hasOwn(variableTools, name));

/** Fields whose size as JSON is bounded; `items` and `messages` one by one. */
const valued = ["value", "expected", "error"] as const;

/** @throws RefusedArguments, z.ZodError */
export function parseVariableCall(kind: VariableKind, args: object): VariableCall | BlockingCall {
  const { ops, schema } = variableTools[kind];
  const { op: opName, name: variableName } = args as { op?: unknown; name?: unknown };
  if (typeof opName === "string" && !Object.hasOwn(ops, opName)) {
    const known = Object.keys(ops).join(", ");
    throw new RefusedArguments(
      "unknown_op",
      `${kind} has no op ${JSON.stringify(opName.slice(0, 64))}; it has ${known}`,
    );
  }
  requireName(variableName);
  const { op, name, fence: guard, ...fields } = schema.parse(args) as { op: string; name: string; fence?: Fence };
  requireFields(op, ops[op]!, args);
  requireStorable(fields);
  if (isBlockingKind(kind)) return blockingCall[kind](op, name, fields);
  return { kind, name, ...(guard && { fence: guard }), op: { op, ...fields } } as VariableCall;
}

type Fields = Readonly<Record<string, unknown>>;
type Parse<Kind extends BlockingKind> = (op: string, name: string | undefined, fields: Fields) => BlockingCallOf<Kind>;

const timeoutOf = ({ timeout_ms: ms }: Fields) => (ms === undefined ? {} : { timeout_ms: ms as number });

function externalOf(declared: unknown, { ask }: Fields): boolean {
  if (ask !== undefined && declared === false)
    throw fieldError("ask", "only somebody outside is asked: not with external: false");
  return declared === true || ask !== undefined;
}

/** Variables named by `name` or by `names`, never by both. */
function namesOf(name: string | undefined, names: readonly string[] | undefined, op: string): readonly string[] {
  if (names === undefined) {
    if (name === undefined) throw fieldError("name", `required, unless ${op} is given \`names\``);
    return [name];
  }
  if (name !== undefined) throw fieldError("names", "give either `name` or `names`, not both");
  if (new Set(names).size < names.length) throw fieldError("names", "each name once");
  for (const one of names) requireName(one);
  return names;
}

const blockingCall: { readonly [Kind in BlockingKind]: Parse<Kind> } = {
  lock: lockCall,

  semaphore: (op, name, { permits = 1, ...fields }) => ({
    kind: "semaphore",
    name: name!,
    one: true,
    op: { op, permits, ...timeoutOf(fields) } as BlockingCallOf<"semaphore">["op"],
  }),

  barrier: (_, name, { parties, members, ...fields }) => ({
    kind: "barrier",
    name: name!,
    one: true,
    op: {
      op: "wait",
      parties: parties as number,
      ...(members !== undefined && { members: members as string[] }),
      ...timeoutOf(fields),
    },
  }),

  message_queue: (op, name, { max = 1, external: declared, ...fields }) => {
    const isExternal = externalOf(declared, fields);
    return {
      kind: "message_queue",
      name: name!,
      one: true,
      op: {
        op,
        ...(op === "pop" && { max, external: isExternal }),
        ...fields,
      } as BlockingCallOf<"message_queue">["op"],
    };
  },

  future: (op, name, { names: given, mode, external: declared, ...fields }) => {
    const isExternal = externalOf(declared, fields);
    const names = namesOf(name, given as string[] | undefined, "await");
    if (given === undefined && mode !== undefined) throw fieldError("mode", "only with `names`");
    const wait = op === "await" && { names, mode: mode ?? "all", external: isExternal };
    const call = { op, ...wait, ...fields } as BlockingCallOf<"future">["op"];
    return { kind: "future", name: names[0]!, one: given === undefined, op: call };
  },
};

function lockCall(op: string, name: string | undefined, fields: Fields): BlockingCallOf<"lock"> {
  const { names: given, mode = "exclusive", token } = fields as { names?: string[]; mode?: LockMode; token?: number };
  const names = namesOf(name, given, "acquire");
  const one = given === undefined;
  if (op === "release")
    return { kind: "lock", name: names[0]!, one, op: { op, ...(token !== undefined && { token }) } };
  if (op === "try_acquire") return { kind: "lock", name: names[0]!, one, op: { op, mode } };
  if (!one && mode === "shared") throw fieldError("mode", "several names are taken exclusively");
  // In one order for everybody, as the rule against taking a lock that sorts before one that is held.
  const sorted = names.toSorted();
  return { kind: "lock", name: sorted[0]!, one, op: { op: "acquire", names: sorted, mode, ...timeoutOf(fields) } };
}

function requireName(name: unknown): void {
  if (typeof name === "string" && !isVariableName(name)) {
    throw new RefusedArguments("bad_name", `${JSON.stringify(name.slice(0, 64))} can't be a variable's name`);
  }
}

function requireFields(op: string, { required = [], optional = [] }: OpFields, args: object): void {
  const given = new Set(Object.keys(args).filter((field) => field !== "op" && field !== "name"));
  for (const field of required) if (!given.has(field)) throw fieldError(field, `required by op ${op}`);
  for (const field of given) {
    if (!required.includes(field) && !optional.includes(field)) throw fieldError(field, `op ${op} does not take it`);
  }
}

const fieldError = (field: string, message: string) =>
  new z.ZodError([{ code: "custom", path: [field], message, input: undefined }]);

/** What storage takes as it is: text that UTF-8 can hold, and values within their bounds. */
function requireStorable(fields: Readonly<Record<string, unknown>>): void {
  const values = [
    ...valued.filter((field) => fields[field] !== undefined).map((field) => [field, fields[field]] as const),
    ...(["items", "messages"] as const).flatMap((field) =>
      ((fields[field] as unknown[] | undefined) ?? []).map((item, i) => [`${field}[${i}]`, item] as const),
    ),
  ];
  for (const field of ["key", "text", "old", "new"]) {
    const text = fields[field];
    if (typeof text === "string" && !text.isWellFormed())
      throw fieldError(field, "half of a surrogate pair stands alone");
  }
  for (const [field, value] of values) {
    if (!fitsUtf8(JSON.stringify(value), limits.valueBytesMax))
      throw new RefusedArguments("value_too_large", `${field}: at most ${limits.valueBytesMax} bytes as JSON`);
  }
  if (fields.messages !== undefined && !fitsUtf8(JSON.stringify(fields.messages), limits.pushBytesMax))
    throw new RefusedArguments("value_too_large", `messages: at most ${limits.pushBytesMax} bytes together`);
  for (const field of ["text", "old", "new"]) {
    const text = fields[field];
    if (typeof text === "string" && !fitsUtf8(text, limits.memoryBytesMax))
      throw new RefusedArguments("value_too_large", `${field}: at most ${limits.memoryBytesMax} bytes`);
  }
}

/** Any text a person would write, and nothing that looks like another name or breaks a line. */
const isVariableName = (name: string): boolean =>
  name.length > 0 &&
  name.length <= limits.nameCharsMax &&
  name.trim() === name &&
  name.isWellFormed() &&
  !/\p{Cc}/u.test(name);
