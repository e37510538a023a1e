/**
 * Taking a run in from a file, line by line, over as many calls as it takes.
 *
 * I1. Nothing is visible before the last line is in and all is checked: until then the object has no run, and answers so.
 * I2. Lines are counted: those that are there are skipped, a gap is refused. So a repeated request changes nothing.
 * I3. A line that is refused ends the import, and what was taken is deleted: at once, or by the alarm when that breaks off.
 * I4. An import that nothing was added to for `importIdleMs` is deleted by its alarm.
 */

import type { ExportEnd } from "../../contract/export-lines.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import type { ProblemCode } from "../../errors/codes.ts";
import { Fault } from "../../errors/fault.ts";
import { importBytesMax, importIdleMs, variablesAtOnce } from "../../limits.ts";
import { takeOver } from "../../scheduler/import-run.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import { Step } from "../../scheduler/step.ts";
import { RunStore } from "../../storage/run/run-store.ts";
import { type Env, variableStub } from "../env.ts";
import type { Idem, Imported, ImportLines, Reply } from "../rpc.ts";
import type { Deletion } from "./deletion.ts";
import { replayed, requireReadable } from "./import-check.ts";
import { counted, newProgress, type Progress, type Taken, takeLine } from "./import-lines.ts";
import {
  importedAtName,
  importedEventsName,
  importedName,
  LoadedRun,
  pricesName,
  type RunSettings,
} from "./loaded-run.ts";
import { ok, refuse } from "./replies.ts";
import { holdToDeployment } from "./rules.ts";
import { newLife, type RunShell } from "./shell.ts";
import { runView, seatTarget } from "./views.ts";

const progressName = "import";
/** The outcome of a first request that was not all of its file: what is said to its repeat is how far the file is. */
const inParts = "null";

/** Refusals of a request, after which the file may go on. */
const keeps: ReadonlySet<ProblemCode> = new Set(["import_gap", "idempotency_mismatch", "not_found", "overloaded"]);

export class Imports {
  readonly #shell: RunShell;
  readonly #env: Env;
  readonly #deletion: Deletion;
  #store: RunStore | undefined;
  /** One call at a time: a variable's contents are awaited between lines. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(shell: RunShell, env: Env, deletion: Deletion) {
    this.#shell = shell;
    this.#env = env;
    this.#deletion = deletion;
  }

  lines(input: ImportLines, idem: Idem | undefined): Promise<Reply<Imported>> {
    return this.#inTurn(() => this.#lines(input, idem));
  }

  /** What was taken is to be deleted: after the call that is at it, since what that has sent to a variable would make it anew. */
  abandon(): Promise<void> {
    return this.#inTurn(() => this.#abandon());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #lines(input: ImportLines, idem: Idem | undefined): Promise<Reply<Imported>> {
    const there = this.#there(input, idem);
    if (there) return there;
    try {
      return ok(await this.#take(input, idem));
    } catch (error) {
      this.#store = undefined;
      if (!(error instanceof Fault)) throw error;
      if (!keeps.has(error.data.code)) await this.#drop();
      return refuse(error.data);
    }
  }

  /** The run is there: this was its file, or another one's. */
  #there({ after, lines }: ImportLines, idem: Idem | undefined): Reply<Imported> | undefined {
    const run = this.#shell.load();
    if (!run) return undefined;
    const known = idem && run.store.outcome(idem.key);
    if (known && known.fingerprint !== idem.fingerprint) return refuse({ code: "idempotency_mismatch" });
    if (known && known.value !== inParts) return ok(JSON.parse(known.value) as Imported);
    const taken = Number(run.store.meta(importedName) ?? 0);
    if (after + lines.length > taken) return refuse({ code: "not_found", detail: "There is no such import." });
    return ok({ lines: taken, run: runView(run, seatTarget(run, this.#shell.now()), this.#shell.now()) });
  }

  async #take({ tenant, run, after, lines, prices }: ImportLines, idem: Idem | undefined): Promise<Imported> {
    const begun = this.#progress();
    if (!begun && after > 0)
      throw new Fault("not_found", "there is no such import, or nothing was added to it for too long");
    if (begun && idem && begun.idem?.key === idem.key && begun.idem.fingerprint !== idem.fingerprint)
      throw new Fault("idempotency_mismatch");
    if (!begun && RunStore.isStaged(this.#shell.sql))
      throw new Fault("overloaded", "an import of this name is being deleted");
    let progress = begun ?? newProgress(tenant, run, idem ?? null);
    if (after > progress.lines) throw new Fault("import_gap", `line ${progress.lines + 1} is the next`);
    // Before anything is stored, so that whatever breaks off is looked after (I4).
    if (!begun) await this.#shell.effects.remind(Date.now() + importIdleMs);
    let i = progress.lines - after;
    while (i < lines.length) {
      let taken: Taken = { kind: "done" };
      let next = progress;
      this.#shell.transaction(() => {
        this.#store ??= this.#shell.stage();
        const store = this.#store;
        while (i < lines.length && taken.kind === "done") {
          const line = lines[i++]!;
          next = { ...progress, bytes: progress.bytes + line.length };
          if (next.bytes > importBytesMax) throw new Fault("import_too_large");
          taken = this.#named(after + i, () => takeLine(store, next, line, Date.now()));
          if (taken.kind === "done") progress = counted(store, progress, next);
        }
        // What it goes on with costs what it costs here.
        if (prices !== undefined) this.#store.setMeta(pricesName, prices);
        progress = { ...progress, touchedAt: Date.now() };
        next = { ...next, touchedAt: progress.touchedAt };
        // What has still to be done elsewhere does not count yet; all that is before it does.
        store.setMeta(progressName, JSON.stringify(progress));
      });
      const imported = await this.#finish({ progress, next, taken }, after + i, idem);
      if (imported) return imported;
      progress = next;
    }
    await this.#shell.effects.remind(progress.touchedAt + importIdleMs);
    return { lines: progress.lines, run: null };
  }

  /** What a line asks for beyond this object's tables; it brings the import from `progress` to `next`. */
  async #finish(
    { progress, next, taken }: { progress: Progress; next: Progress; taken: Taken },
    line: number,
    idem: Idem | undefined,
  ): Promise<Imported | null> {
    switch (taken.kind) {
      case "contents": {
        const { name } = taken.contents;
        const variable = variableStub(this.#env, progress.tenant, progress.run, name);
        const bytes = await variable.importContents(taken.contents);
        this.#shell.transaction(() => {
          const store = this.#store!;
          store.variables.noteBytes(name, bytes);
          store.setMeta(progressName, JSON.stringify(counted(store, progress, next)));
        });
        return null;
      }
      case "end":
        return this.#commit(progress, taken.end, line, idem);
      case "done":
        return null;
    }
  }

  async #commit(progress: Progress, end: ExportEnd, line: number, idem: Idem | undefined): Promise<Imported> {
    const store = this.#store!;
    this.#named(line, () => requireCounts(progress, end));
    await this.#sealVariables(store, progress, line);
    const { run, ended, imported } = this.#shell.transaction(() => {
      store.setIdentity({ tenant: progress.tenant, run: progress.run, life: newLife() });
      const run = this.#named(line, () => wholeRun(store, this.#shell.settings, progress.seq, end));
      const { state } = run;
      const step = new Step(state, Math.max(Date.now(), state.header.changedAt));
      store.log.stage(step.decided);
      takeOver(step);
      if (isRunEnded(state)) store.setMeta(importedAtName, String(step.now));
      holdToDeployment(step, this.#shell.rules);
      counted(store, progress, { ...progress, pieces: 0 });
      store.removeMeta(progressName);
      store.setMeta(importedName, String(progress.lines + 1));
      store.setMeta(importedEventsName, String(progress.seq));
      this.#shell.append(run, step);
      const imported = { lines: progress.lines + 1, run: runView(run, seatTarget(run, step.now), step.now) };
      if (idem) store.putOutcome(idem, JSON.stringify(imported), step.now);
      else if (progress.idem) store.putOutcome(progress.idem, inParts, step.now);
      return { run, ended: step.ended, imported };
    });
    this.#store = undefined;
    this.#shell.adopt(run, ended);
    return imported;
  }

  async #sealVariables(store: RunStore, { tenant, run }: Progress, line: number): Promise<void> {
    for (const page of store.variables.pages(variablesAtOnce))
      for (const { name, kind } of page)
        if (!isBlockingKind(kind) && !(await variableStub(this.#env, tenant, run, name).sealImport()))
          throw new Fault("import_invalid", `line ${line}: the contents of variable ${name} are none of its kind`);
  }

  /** A fault that names the line. */
  #named<T>(line: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof Fault)
        throw new Fault(error.data.code, `line ${line}: ${error.data.detail ?? error.message}`);
      throw error;
    }
  }

  #progress(): Progress | undefined {
    const store = this.#staged();
    const text = store?.meta(progressName);
    return text === undefined ? undefined : (JSON.parse(text) as Progress);
  }

  #staged(): RunStore | undefined {
    if (!RunStore.isStaged(this.#shell.sql)) return undefined;
    this.#store ??= this.#shell.stage();
    return this.#store;
  }

  async #abandon(): Promise<void> {
    const progress = this.#progress();
    this.#store = undefined;
    if (progress) await this.#deletion.begin({ tenant: progress.tenant, run: progress.run });
  }

  /** Deletes what was taken. */
  async #drop(): Promise<void> {
    await this.#abandon();
    // What breaks off here is carried on by the alarm.
    await this.#deletion.finish().catch((error) => console.error("import was not deleted yet", error));
  }

  /** The alarm's part: true when the object has an import, and no run, to look after. */
  async alarm(): Promise<boolean> {
    const progress = this.#progress();
    if (!progress) return false;
    const due = progress.touchedAt + importIdleMs;
    if (due > Date.now()) await this.#shell.effects.remind(due);
    else await this.#drop();
    return true;
  }
}

/** @throws Fault import_invalid */
function wholeRun(store: RunStore, settings: RunSettings, last: number, end: ExportEnd): LoadedRun {
  const run = new LoadedRun(store, settings, replayed(store, last));
  if (end.tasks !== run.state.header.taskCount) throw new Fault("import_invalid", "other tasks than its log has");
  requireReadable(run);
  return run;
}

function requireCounts(progress: Progress, end: ExportEnd): void {
  const { lines, digest, snapshots, seq, lastSeq, tasks, variables } = progress;
  if (end.lines !== lines || end.digest !== digest)
    throw new Fault("import_invalid", "the file was changed: its digest does not match");
  const counts = [end.snapshots, end.events, end.tasks, end.variables];
  if ([snapshots, seq, tasks, variables].some((count, i) => count !== counts[i]) || seq !== lastSeq)
    throw new Fault("import_invalid", "other lines than its end says");
}
