/**
 * A run's export as its object reads it: page by page, each page from a cursor, so that no call holds more than a page.
 *
 * X1. Log, tasks and variables that block are as of one event, the last when the export began: rows are appended, never
 *     changed, and tasks come from a state that ends there. When the run has gone on meanwhile, its log is replayed up to it.
 * X2. Snapshots are immutable: all that the log names are there, and at most a few that came since.
 * X3. Variables with data are objects of their own and have no place in the log: each is as of its own reading, and one that is larger
 *     than a page is read in several. What was read is what is told, though the run goes on before all of it is.
 */

import { stringifyRaw } from "../../context/json-text.ts";
import { digestOf, noDigest } from "../../context/line-digest.ts";
import { exportVersion } from "../../contract/export-lines.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import {
  exportPageChars,
  exportPieceChars,
  exportReadingsHeld,
  exportReplayTasksMax,
  exportSnapshotsPerLook,
} from "../../limits.ts";
import { show } from "../../variables/index.ts";
import type { DataKind } from "../../variables/ops.ts";
import { type Env, variableStub } from "../env.ts";
import type { ExportCursor, ExportPage, ExportPiece, ExportStage, Reply } from "../rpc.ts";
import type { VariableLine } from "../variable-rpc.ts";
import { blockingView } from "./blocking-view.ts";
import { specOf } from "./bodies.ts";
import { LoadedRun } from "./loaded-run.ts";
import { ok, refuse } from "./replies.ts";
import type { RunShell } from "./shell.ts";
import { taskView } from "./views.ts";

const stages: readonly ExportStage[] = ["header", "snapshot", "row", "task", "variable"];

type Place = readonly (string | number)[];

interface Item {
  readonly kind: ExportPiece["kind"];
  readonly text: string;
  /** Where the next one begins. */
  readonly following: Place;
}

/** A variable with data. */
interface Data {
  readonly stub: ReturnType<typeof variableStub>;
  readonly name: string;
  readonly kind: DataKind;
  readonly seq: number;
}

export class Exports {
  readonly #shell: RunShell;
  readonly #env: Env;
  /** The run as of the event up to which it is exported, when it has gone on since. */
  #asOf: LoadedRun | undefined;
  /**
   * What was read of variables with data and is not told yet, line by line, by where each begins: while one is told the run may go on,
   * and who reads its items anew must not be told what was there later.
   */
  readonly #held = new Map<string, ReadonlyMap<string, VariableLine>>();
  /** The item whose pieces are under way: of a long one each page has a few. */
  #open: { readonly at: string; readonly item: Item } | undefined;

  constructor(shell: RunShell, env: Env) {
    this.#shell = shell;
    this.#env = env;
  }

  async page(from: ExportCursor | undefined): Promise<Reply<ExportPage>> {
    const seq = from?.seq ?? this.#shell.load()?.state.header.seq ?? 0;
    let cursor: ExportCursor = from ?? { seq, stage: "header", place: [], skip: 0, digest: noDigest };
    const pieces: ExportPiece[] = [];
    let chars = 0;
    while (chars < exportPageChars) {
      // Anew for each item: while a variable was asked for its contents the run may have gone on.
      const now = this.#shell.load();
      if (!now) return refuse({ code: "not_found", detail: "There is no such run." });
      const run = this.#runAsOf(now, seq);
      if (!run) return refuse({ code: "run_changing" });
      const item = await this.#itemAt(run, cursor);
      if (!item) {
        const stage = stages[stages.indexOf(cursor.stage) + 1];
        if (!stage) {
          this.#asOf = undefined;
          return ok({ pieces });
        }
        cursor = { ...cursor, stage, place: [], skip: 0, digest: noDigest };
        continue;
      }
      const isLong = item.text.length > exportPieceChars;
      const digest = isLong ? digestOf(noDigest, item.text) : noDigest;
      if (cursor.skip > 0 && digest !== cursor.digest) {
        return refuse({ code: "run_changing", detail: "A variable was written while it was exported." });
      }
      const end = wholeEnd(item.text, cursor.skip + exportPieceChars);
      const more = end < item.text.length;
      pieces.push({ kind: item.kind, text: item.text.slice(cursor.skip, end), first: cursor.skip === 0, more });
      chars += end - cursor.skip;
      cursor = more
        ? { ...cursor, skip: end, digest }
        : { ...cursor, place: item.following, skip: 0, digest: noDigest };
    }
    return ok({ pieces, cursor });
  }

  #runAsOf(now: LoadedRun, seq: number): LoadedRun | undefined {
    if (now.state.header.seq === seq) return now;
    if (this.#asOf?.state.header.seq !== seq) {
      if (now.state.header.taskCount > exportReplayTasksMax) return undefined;
      this.#asOf = new LoadedRun(now.store, now.settings, now.store.replay(seq));
    }
    return this.#asOf;
  }

  #look:
    | { readonly at: string; readonly run: LoadedRun; readonly items: Iterator<Item> | AsyncIterator<Item> }
    | undefined;

  /** The item at a place; those after it are read on from the same look into storage. */
  async #itemAt(run: LoadedRun, { seq, stage, place }: ExportCursor): Promise<Item | undefined> {
    const at = JSON.stringify([seq, stage, place]);
    if (this.#open?.at === at) return this.#open.item;
    const look = this.#look;
    // Taken while it is used: another export at the same place must not be given what comes after.
    this.#look = undefined;
    const items = look?.at === at && look.run === run ? look.items : this.#read[stage](run, place);
    const { done, value } = await items.next();
    if (done) return undefined;
    this.#look = { at: JSON.stringify([seq, stage, value.following]), run, items };
    this.#open = { at, item: value };
    return value;
  }

  readonly #read: Record<ExportStage, (run: LoadedRun, place: Place) => Iterator<Item> | AsyncIterator<Item>> = {
    header: (run, place) => header(run, place, this.#shell.now()),
    snapshot: snapshots,
    row: rows,
    task: tasks,
    variable: (run, place) => this.#variables(run, place),
  };

  async *#variables(run: LoadedRun, [after = 0, part, reading = ""]: Place): AsyncGenerator<Item> {
    let [variable] = run.store.variables.page(Number(after), 1);
    let next = part === undefined ? undefined : String(part);
    // One that was first used later is none of this export.
    while (variable && variable.seq <= run.state.header.seq) {
      const { name, kind, seq } = variable;
      if (isBlockingKind(kind)) {
        yield { kind: "variable", text: JSON.stringify({ variable: blockingView(run, name, kind) }), following: [seq] };
      } else {
        const data = { stub: variableStub(this.#env, run.tenant, run.id, name), name, kind, seq };
        yield* next === undefined ? this.#data(data) : this.#dataFrom(data, next, reading);
        next = undefined;
      }
      [variable] = run.store.variables.page(seq, 1);
    }
  }

  /** A variable with its contents, read at once. */
  async *#data({ stub, name, kind, seq }: Data): AsyncGenerator<Item> {
    const got = await stub.exportPart(undefined);
    const { head, createdAt = null, lines = [], next } = got ?? {};
    const reading = crypto.randomUUID();
    const following = next === undefined ? [seq] : [seq - 1, next, reading];
    const view = { name, kind, state: head === undefined ? {} : show(kind, head), created_at: createdAt };
    if (next !== undefined) this.#hold(reading, next, lines);
    yield {
      kind: "variable",
      text: JSON.stringify({ variable: view, ...(head !== undefined && { head }) }),
      following,
    };
    if (next !== undefined) yield* this.#dataFrom({ stub, name, kind, seq }, next, reading);
  }

  /** Its lines from a place on: as they were read, while that is held. */
  async *#dataFrom({ stub, seq }: Data, from: string, reading: string | number): AsyncGenerator<Item> {
    for (let place: string | undefined = from; place !== undefined; ) {
      const { lines = [] } = this.#held.get(String(reading))?.has(place) ? {} : ((await stub.exportPart(place)) ?? {});
      if (lines.length > 0) this.#hold(reading, place, lines);
      const found: VariableLine | undefined = this.#held.get(String(reading))?.get(place);
      if (!found) return;
      place = found.next;
      const following = place === undefined ? [seq] : [seq - 1, place, reading];
      if (place === undefined) this.#held.delete(String(reading));
      yield { kind: "part", text: found.line, following };
    }
  }

  /** In place of the oldest: a reader that went away does not tell. */
  #hold(reading: string | number, first: string, lines: readonly VariableLine[]): void {
    const held = new Map<string, VariableLine>();
    let place: string | undefined = first;
    for (const line of lines) {
      if (place !== undefined) held.set(place, line);
      place = line.next;
    }
    this.#held.delete(String(reading));
    this.#held.set(String(reading), held);
    if (this.#held.size > exportReadingsHeld) this.#held.delete(this.#held.keys().next().value!);
  }
}

function* header({ id, state }: LoadedRun, place: Place, now: number): Generator<Item> {
  if (place.length > 0) return;
  const { name, status, seq, createdAt } = state.header;
  const line = {
    heddle_export: exportVersion,
    run: id,
    name: name || null,
    status,
    seq,
    created_at: createdAt,
    exported_at: now,
  };
  yield { kind: "header", text: JSON.stringify(line), following: ["done"] };
}

function* snapshots({ store: { tree } }: LoadedRun, [messages = -1, hash = ""]: Place): Generator<Item> {
  let after = { messages: Number(messages), hash: String(hash) };
  for (;;) {
    const page = tree.page(after, exportSnapshotsPerLook);
    for (const node of page) {
      const { hash: snapshot, parent } = node;
      const text = stringifyRaw(
        parent === null ? { snapshot, head: tree.head(snapshot) } : { snapshot, parent, messages: tree.own(snapshot) },
      );
      after = { messages: node.messages, hash: snapshot };
      yield { kind: "snapshot", text, following: [node.messages, snapshot] };
    }
    if (page.length < exportSnapshotsPerLook) return;
  }
}

function* rows({ store: { log }, state }: LoadedRun, [after = 0]: Place): Generator<Item> {
  // A look for each: no cursor stays open while the run writes its log.
  for (let row = log.rowAfter(Number(after)); row && row.seq <= state.header.seq; row = log.rowAfter(row.seq)) {
    const { seq, at, events, bodies } = row;
    const text = `{"seq":${seq},"at":${at},"events":${events}${bodies === null ? "" : `,"bodies":${bodies}`}}`;
    yield { kind: "row", text, following: [seq] };
  }
}

function* tasks(run: LoadedRun, [after = 0]: Place): Generator<Item> {
  for (let n = Number(after) + 1; n <= run.state.header.taskCount; n++) {
    const task = run.state.peek(n);
    if (!task) continue;
    const { instructions } = specOf(run, task);
    yield { kind: "task", text: JSON.stringify({ task: { ...taskView(run, task), instructions } }), following: [n] };
  }
}

/** Never between the halves of a surrogate pair, which alone have no UTF-8 form. */
function wholeEnd(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}
