/**
 * What each line of an imported file does to the tables of the run that it is to become. Nobody sees them before the last
 * line: the run has no identity yet.
 *
 * M1. A line is checked by itself here; what only the whole log shows is checked at the end (import-check.ts).
 * M2. Whatever is wrong is thrown as a Fault, in the caller's transaction.
 */

import { rawElements } from "../../context/json-text.ts";
import { digestOf, noDigest } from "../../context/line-digest.ts";
import { headHash } from "../../context/snapshot-hash.ts";
import type { ContextHead } from "../../context/types.ts";
import { type ExportEnd, type Line, lineOf } from "../../contract/export-lines.ts";
import { firstMismatch } from "../../contract/field-errors.ts";
import { overfullJson, unfitJson } from "../../contract/json-bounds.ts";
import { type LoggedType, loggedBodies, loggedEvents } from "../../contract/logged-events.ts";
import { messagesSchema } from "../../contract/message.ts";
import { declaredToolsSchema } from "../../contract/remote-tools.ts";
import { contextSchema } from "../../contract/run-requests.ts";
import { argumentsObject } from "../../contract/tools.ts";
import { fitsUtf8 } from "../../contract/utf8.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import { Fault } from "../../errors/fault.ts";
import { Newer } from "../../errors/newer.ts";
import {
  contextBytesMax,
  exportPieceChars,
  importPiecesMax,
  importSkewMs,
  jsonDepthMax,
  memoryBytesMax,
  resultBytesMax,
  runWarmMsMax,
  toolArgumentsBytesMax,
  toolTimeoutMsMax,
  valueBytesMax,
  variablesPerRunMax,
} from "../../limits.ts";
import type { Decided, SchedulerEvent } from "../../scheduler/events.ts";
import type { RunStore } from "../../storage/run/run-store.ts";
import { upcast } from "../../storage/run/upcast.ts";
import type { DataKind, VariableKind } from "../../variables/ops.ts";
import type { VariableContents } from "../variable-rpc.ts";

/** How far an import has come: a row of the run's tables, written with what it counts. */
export interface Progress {
  readonly tenant: string;
  readonly run: string;
  /** The first request's, when it had one. */
  readonly idem: { readonly key: string; readonly fingerprint: string } | null;
  lines: number;
  bytes: number;
  digest: string;
  place: number;
  snapshots: number;
  /** The log's last event, and its time. */
  seq: number;
  at: number;
  /** As the header says. */
  lastSeq: number;
  tasks: number;
  variables: number;
  /** The variable whose contents come, with what its object is made with. */
  of: { readonly name: string; readonly kind: DataKind; readonly createdAt: number } | null;
  /** Pieces of a long line that are waiting for the rest. */
  pieces: number;
  touchedAt: number;
}

export const newProgress = (tenant: string, run: string, idem: Progress["idem"]): Progress => ({
  tenant,
  run,
  idem,
  lines: 0,
  bytes: 0,
  digest: noDigest,
  place: 0,
  snapshots: 0,
  seq: 0,
  at: 0,
  lastSeq: 0,
  tasks: 0,
  variables: 0,
  of: null,
  pieces: 0,
  touchedAt: 0,
});

/** Places of a file in their order; parts of variables stand among the variables. */
const places = {
  header: 0,
  snapshot: 1,
  row: 2,
  task: 3,
  variable: 4,
  entries: 4,
  memory: 4,
  fences: 4,
  answers: 4,
  end: 5,
};

const wrong = (why: string): Fault => new Fault("import_invalid", why);

/** What a line still asks for after its transaction. */
export type Taken =
  | { readonly kind: "done" }
  | { readonly kind: "contents"; readonly contents: VariableContents }
  | { readonly kind: "end"; readonly end: ExportEnd };

const done: Taken = { kind: "done" };

/** Takes one line, and has `progress` tell of it; pieces that it was made of stay until it counts. @throws Fault import_invalid */
export function takeLine(store: RunStore, progress: Progress, text: string, now: number): Taken {
  const value = parsed(text);
  let line = checked(value);
  const digest = digestOf(progress.digest, text);
  if (line.kind === "piece") {
    const { piece, more } = line.value;
    if (piece.length > exportPieceChars) throw wrong("a piece is too long");
    if (more) {
      if (progress.pieces >= importPiecesMax) throw new Fault("import_too_large", "a line has too many pieces");
      store.texts.put(pieceName(progress.pieces++), piece);
      count(progress, digest);
      return done;
    }
    line = checked(parsed(joined(store, progress) + piece));
    if (line.kind === "piece") throw wrong("a piece in pieces");
  } else if (progress.pieces > 0) throw wrong("the rest of a long line is missing");
  if (progress.lines === 0 && line.kind !== "header") throw wrong("the first line is no header of an export");
  if (places[line.kind] < progress.place || (line.kind === "header" && progress.lines > 0))
    throw wrong(`a ${line.kind} does not stand here`);
  progress.place = places[line.kind];
  // The end speaks of what is before it, its own digest left out.
  if (line.kind === "end") return { kind: "end", end: line.value };
  const taken = take(store, progress, line, now);
  count(progress, digest);
  return taken;
}

/** The import has come from `before` to `after`: what it needs no more leaves. */
export function counted({ texts }: RunStore, before: Progress, after: Progress): Progress {
  for (let i = after.pieces; i < before.pieces; i++) texts.remove(pieceName(i));
  return after;
}

const pieceName = (i: number): string => `import:${i}`;

function count(progress: Progress, digest: string): void {
  progress.lines++;
  progress.digest = digest;
}

function joined(store: RunStore, progress: Progress): string {
  const pieces: string[] = [];
  for (let i = 0; i < progress.pieces; i++) pieces.push(store.texts.get(pieceName(i)));
  progress.pieces = 0;
  return pieces.join("");
}

function parsed(text: string): unknown {
  // A row of the log has what came with several requests.
  const overfull = overfullJson(text, 2);
  if (overfull !== undefined) throw wrong(overfull);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("no JSON");
  }
  // What is in a line was within the bounds; the line is around it.
  const unfit = unfitJson(value, jsonDepthMax + 8);
  if (unfit !== undefined) throw wrong(unfit);
  return value;
}

function checked(value: unknown): Line {
  const line = lineOf(value);
  if (line.kind === "wrong") throw wrong(line.why);
  return line;
}

function take(store: RunStore, progress: Progress, line: Exclude<Line, { kind: "piece" | "end" }>, now: number): Taken {
  switch (line.kind) {
    case "header":
      progress.lastSeq = line.value.seq;
      return done;
    case "snapshot":
      takeSnapshot(store, line.value);
      progress.snapshots++;
      return done;
    case "row":
      takeRow(store, progress, line.value, now);
      return done;
    case "task":
      progress.tasks++;
      return done;
    case "variable":
      return takeVariable(store, progress, line.value);
    default:
      return takeContents(progress, line);
  }
}

function takeSnapshot({ tree }: RunStore, line: Extract<Line, { kind: "snapshot" }>["value"]): void {
  if ("head" in line) {
    requireHead(line.head);
    if (headHash(line.head as ContextHead) !== line.snapshot)
      throw wrong("the snapshot's bytes are not those of its hash");
    tree.putHead(line.head as ContextHead);
    return;
  }
  if (!tree.find(line.parent)) throw wrong("a snapshot whose parent is not there");
  requireMessages(line.messages);
  if (tree.append(line.parent, line.messages) !== line.snapshot)
    throw wrong("the snapshot's bytes are not those of its hash");
  if (tree.node(line.snapshot).bytes > 2 * contextBytesMax) throw new Fault("context_too_large");
}

function requireHead({ system, tools, params, ...rest }: { system?: string; tools?: string; params?: string }): void {
  const parts = Object.entries({ system, tools, params }).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, parsed(text)] as const],
  );
  if (!contextSchema.safeParse({ ...rest, ...Object.fromEntries(parts) }).success) throw wrong("no context's head");
}

/** Texts that the scanner of JSON may be given: each one message, and nothing around it. */
function requireMessages(texts: readonly string[]): void {
  if (!messagesSchema.safeParse(texts.map(parsed)).success) throw wrong("no messages");
  const again = rawElements(`[${texts.join(",")}]`);
  if (again.length !== texts.length || again.some((text, i) => text !== texts[i])) throw wrong("no messages");
}

function takeRow(
  store: RunStore,
  progress: Progress,
  { seq, at, events, bodies }: Extract<Line, { kind: "row" }>["value"],
  now: number,
): void {
  if (seq !== progress.seq + 1) throw wrong(`event ${progress.seq + 1} is missing`);
  if (at < progress.at || at > now + importSkewMs) throw wrong(`event ${seq} is not of its time`);
  if (bodies && bodies.length !== events.length) throw wrong("as many bodies as events, or none");
  const decided = events.map((event, i) => decidedOf(store, event, bodies?.[i] ?? 0, { seq: seq + i, at }));
  progress.seq = seq + events.length - 1;
  progress.at = at;
  if (progress.seq > progress.lastSeq) throw wrong("more events than the header says");
  store.log.append(decided, at);
}

function decidedOf(
  store: RunStore,
  stored: Record<string, unknown>,
  body: unknown,
  { seq, at }: { seq: number; at: number },
): Decided {
  const logged = present(stored, seq);
  const type = logged.type as LoggedType;
  const schema = Object.hasOwn(loggedEvents, type) ? loggedEvents[type] : undefined;
  const parse = schema?.safeParse(logged);
  if (!parse?.success)
    throw wrong(`event ${seq}: ${parse ? firstMismatch(parse.error, "the event") : "of no known type"}`);
  const { causes = [], ...event } = logged as unknown as SchedulerEvent & { causes?: number[] };
  if (causes.some((cause) => cause >= seq)) throw wrong(`event ${seq}: caused by a later one`);
  const given = body === 0 ? undefined : body;
  const fits = loggedBodies[type];
  if (fits ? !fits.safeParse(given).success : given !== undefined)
    throw wrong(`event ${seq}: its body is none of ${type}`);
  if (given !== undefined && type !== "task_created" && JSON.stringify(given).length > 2 * resultBytesMax)
    throw new Fault("result_too_large", `event ${seq}`);
  requireTexts(event as SchedulerEvent, given, seq);
  requireTimely(event as SchedulerEvent, at, seq);
  const added = event as SchedulerEvent;
  if (added.type === "variable_created") {
    const { variables } = store;
    if (variables.kindOf(added.name)) throw wrong(`event ${seq}: the variable is there`);
    if (variables.count >= variablesPerRunMax) throw wrong(`event ${seq}: more than ${variablesPerRunMax} variables`);
    variables.add({ name: added.name, kind: added.kind as VariableKind }, seq);
  }
  return { seq, event: added, causes, body: given };
}

/** Of whatever version this server reads. */
function present(stored: Record<string, unknown>, seq: number): Readonly<Record<string, unknown>> {
  try {
    return upcast(stored);
  } catch (error) {
    throw error instanceof Newer
      ? wrong(`event ${seq}: ${error.what} A newer version of Heddle wrote it, and can read it`)
      : error;
  }
}

/** As many messages as their sizes say, and messages of a context that are such. */
function requireTexts(event: SchedulerEvent, body: unknown, seq: number): void {
  const messages = (body as { messages?: readonly unknown[] } | undefined)?.messages;
  const sizes =
    event.type === "messages_pushed" && event.from === undefined
      ? event.sizes
      : event.type === "call_waiting" && event.want?.kind === "push"
        ? event.want.sizes
        : undefined;
  if ((sizes?.length ?? 0) !== (messages?.length ?? 0)) throw wrong(`event ${seq}: other messages than it says`);
  if (event.type === "run_created") requireTools(body, seq);
  if (event.type === "message_received" || event.type === "budget_noted")
    requireInboxMessage(body as { message: string }, event.bytes, seq);
  if (event.type === "call_waiting") {
    const { arguments: text } = (body ?? {}) as { arguments?: string };
    const fits = text === undefined || (argumentsObject(text).ok && fitsUtf8(text, toolArgumentsBytesMax));
    if (!fits || (text !== undefined) !== (event.remote !== undefined))
      throw wrong(`event ${seq}: no arguments of a call`);
  }
  if (event.type !== "task_created") return;
  const own = (body ?? {}) as { instructions?: string; on_failure?: object };
  const hasTexts = event.stands_in ? body === undefined : own.instructions !== undefined;
  if (!hasTexts || (own.on_failure !== undefined) !== (event.on_failure !== undefined))
    throw wrong(`event ${seq}: other texts than it says`);
  const { context } = own as { context?: string | { messages: readonly string[] } };
  if (typeof context === "object") requireMessages(context.messages);
}

/** What a run may declare, with each schema as the text that it came in. */
function requireTools(body: unknown, seq: number): void {
  const { tools = [] } = (body ?? {}) as { tools?: readonly { input_schema: string }[] };
  const read = tools.map((tool) => ({ ...tool, input_schema: parsed(tool.input_schema) }));
  if (!declaredToolsSchema.safeParse(read).success) throw wrong(`event ${seq}: no tools`);
}

/** As one comes from outside: of the user, and as many bytes of content as its event says. */
function requireInboxMessage({ message }: { message: string }, bytes: number, seq: number): void {
  requireMessages([message]);
  const [before, after] = ['{"role":"user","content":', "}"] as const;
  const around = before.length + after.length;
  if (!message.startsWith(before) || Buffer.byteLength(message) - around !== bytes)
    throw wrong(`event ${seq}: no message of ${bytes} bytes`);
}

/** What holds others back, or waits for somebody outside, does so no longer than the rules let it. */
function requireTimely(event: SchedulerEvent, at: number, seq: number): void {
  const most =
    event.type === "cache_warming"
      ? runWarmMsMax
      : event.type === "call_waiting" && event.remote
        ? toolTimeoutMsMax
        : undefined;
  if (most !== undefined && "until" in event && (event.until ?? 0) > at + most)
    throw wrong(`event ${seq}: it lasts too long`);
}

function takeVariable(
  store: RunStore,
  progress: Progress,
  { variable, head }: Extract<Line, { kind: "variable" }>["value"],
): Taken {
  const { name, kind, created_at: createdAt } = variable as { name: string; kind: VariableKind; created_at?: unknown };
  if (store.variables.kindOf(name) !== kind) throw wrong("a variable that the log does not know");
  progress.variables++;
  progress.of = null;
  if (isBlockingKind(kind) || head === undefined) return done;
  progress.of = { name, kind, createdAt: Number.isSafeInteger(createdAt) ? (createdAt as number) : 0 };
  requireValue(head);
  return contentsOf(progress, { head: head as never });
}

type PartLine = Extract<Line, { kind: "entries" | "memory" | "fences" | "answers" }>;

function takeContents(progress: Progress, line: PartLine): Taken {
  if (progress.of?.name !== line.value.of) throw wrong("contents of no variable before them");
  switch (line.kind) {
    case "entries":
      for (const [, value] of line.value.entries) requireValue(value);
      return contentsOf(progress, { entries: line.value.entries as never });
    case "memory":
      if (!fitsUtf8(line.value.text, memoryBytesMax)) throw wrong("a text is too large");
      return contentsOf(progress, { text: line.value.text });
    case "fences":
      return contentsOf(progress, { fences: line.value.fences });
    case "answers":
      return contentsOf(progress, { answers: line.value.answers as never });
  }
}

function requireValue(value: unknown): void {
  if (Buffer.byteLength(JSON.stringify(value) ?? "") > valueBytesMax + 1024) throw wrong("a value is too large");
}

const contentsOf = ({ tenant, run, of }: Progress, contents: Partial<VariableContents>): Taken => ({
  kind: "contents",
  contents: { tenant, run, ...of!, ...contents },
});
