/**
 * A run as spans of OpenTelemetry, in the JSON form of OTLP: what collectors take at `/v1/traces`.
 *
 * The run is the trace; a task is a span under the one that created it, or under the run; attempts and what the task was
 * doing are spans under the task's. Model calls and tools carry the attributes of the GenAI semantic conventions; a wait links
 * to the spans of the tasks that ended it. Ids come from the run's id and numbers of the log, so a trace that is sent twice is
 * the same trace. Format: opentelemetry-proto, `ExportTraceServiceRequest`; semantic conventions for generative AI.
 */

import { type ActivitySpan, type AttemptSpan, type Span, Spans, type TaskFacts, type TaskSpan } from "./spans.ts";
import type { TraceEvent } from "./trace-event.ts";

export interface OtlpNames {
  /** 20 characters of base 32 after `run_`. */
  readonly run: string;
  readonly name: string | null;
  /** Of the context: who answers its model calls, as far as the log knows. */
  readonly format: "anthropic" | "openai";
  readonly version: string;
  readonly taskId: (n: number) => string;
}

type Value = { stringValue: string } | { intValue: string } | { doubleValue: number } | { boolValue: boolean };
export interface Attribute {
  readonly key: string;
  readonly value: Value;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1: internal; 3: client. */
  readonly kind: 1 | 3;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events?: readonly { timeUnixNano: string; name: string; attributes: readonly Attribute[] }[];
  readonly links?: readonly { traceId: string; spanId: string; attributes: readonly Attribute[] }[];
  /** 0: unset; 2: error. */
  readonly status: { readonly code: 0 | 2; readonly message?: string };
}

/** First two digits of a span's id; 14 more are its number. */
const prefix = { run: "01", task: "02", attempt: "03", activity: "04" } as const;

const nanos = (at: number): string => `${at}000000`;

/** Attributes of those that have a value; whole numbers are integers. */
function attributes(values: Readonly<Record<string, string | number | boolean | null | undefined>>): Attribute[] {
  return Object.entries(values).flatMap(([key, value]): Attribute[] => {
    if (value === null || value === undefined) return [];
    if (typeof value === "string") return [{ key, value: { stringValue: value } }];
    if (typeof value === "boolean") return [{ key, value: { boolValue: value } }];
    return [{ key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } }];
  });
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** 16 bytes of hex: the 100 random bits of the run's id, after 28 that are the same for all. */
export function traceIdOf(run: string): string {
  let bits = 0n;
  for (const character of run.slice(4)) bits = bits * 32n + BigInt(alphabet.indexOf(character));
  return `4edd1e0${bits.toString(16).padStart(25, "0")}`;
}

const spanId = (what: keyof typeof prefix, high: number, low = 0): string =>
  prefix[what] + high.toString(16).padStart(8, "0") + low.toString(16).padStart(6, "0");

export class OtlpTrace {
  readonly #names: OtlpNames;
  readonly #traceId: string;
  readonly #spans: Spans;
  #told: OtlpSpan[] = [];
  readonly #endsTold: number;
  #period = 0;
  #startedAt = 0;
  #end: { readonly at: number; readonly seq: number; readonly status: string } | undefined;
  #findings: { timeUnixNano: string; name: string; attributes: readonly Attribute[] }[] = [];

  /** `endsTold`: who pushes a trace bit by bit has sent the spans of the run that ended by event so-and-so. */
  constructor(names: OtlpNames, endsTold = 0) {
    this.#names = names;
    this.#endsTold = endsTold;
    this.#traceId = traceIdOf(names.run);
    this.#spans = new Spans({
      span: (span) => this.#told.push(this.#span(span)),
      finding: ({ at, kind, severity, message, subjects }) => {
        const about = attributes({ "heddle.finding.severity": severity, "heddle.finding.message": message });
        const tasks = attributes({ "heddle.finding.tasks": subjects.map((n) => names.taskId(n)).join(" ") });
        this.#findings.push({ timeUnixNano: nanos(at), name: `heddle.${kind}`, attributes: [...about, ...tasks] });
      },
    });
  }

  add(event: TraceEvent): void {
    if (event.type === "run_reopened") this.#tellRun(event.at);
    if (event.type === "run_ended") this.#end = { at: event.at, seq: event.seq, status: event.status };
    if (this.#startedAt === 0) {
      this.#startedAt = event.at;
      this.#period++;
    }
    this.#spans.add(event);
  }

  /** `seq` of the event by which the run has ended; undefined while it goes on. */
  get endedBy(): number | undefined {
    return this.#end?.seq;
  }

  /** Spans that were told since the last call. */
  take(): OtlpSpan[] {
    const told = this.#told;
    this.#told = [];
    return told;
  }

  /** Tells what goes on at `now`, and the run itself. */
  finish(now: number): void {
    for (const _ of this.finishing(now));
  }

  /** The same, a task at a step. */
  *finishing(now: number): Generator<void, void, void> {
    yield* this.#spans.finishing(now);
    this.#tellRun(now);
  }

  /** The run from its beginning, or from when it was reopened, to its end: a span each, the later ones under the first. */
  #tellRun(now: number): void {
    const { run, name } = this.#names;
    const end = this.#end;
    const period = this.#period;
    const from = this.#startedAt;
    const findings = this.#findings;
    this.#startedAt = 0;
    this.#end = undefined;
    this.#findings = [];
    if (end && end.seq <= this.#endsTold) return;
    this.#told.push({
      traceId: this.#traceId,
      spanId: spanId("run", 0, period),
      ...(period > 1 && { parentSpanId: spanId("run", 0, 1) }),
      name: name ?? run,
      kind: 1,
      startTimeUnixNano: nanos(from),
      endTimeUnixNano: nanos(end?.at ?? now),
      attributes: attributes({
        "heddle.run.id": run,
        "heddle.run.name": name,
        "heddle.run.status": end?.status ?? "active",
        "heddle.run.reopened": period > 1 ? period - 1 : undefined,
        "heddle.unfinished": end ? undefined : true,
      }),
      ...(findings.length > 0 && { events: findings }),
      status: { code: end?.status === "failed" ? 2 : 0 },
    });
  }

  /** What stands around the spans of one request: before and after their texts, with commas between them. */
  get frame(): { readonly head: string; readonly tail: string } {
    const { run, version } = this.#names;
    const resource = attributes({ "service.name": "heddle", "service.version": version, "heddle.run.id": run });
    const scope = JSON.stringify({ name: "heddle", version });
    return {
      head: `{"resourceSpans":[{"resource":{"attributes":${JSON.stringify(resource)}},"scopeSpans":[{"scope":${scope},"spans":[`,
      tail: "\n]}]}]}\n",
    };
  }

  #taskSpanId = (task: number, generation: number): string => spanId("task", task, generation);

  #span(span: Span): OtlpSpan {
    const common = {
      traceId: this.#traceId,
      startTimeUnixNano: nanos(span.from),
      endTimeUnixNano: nanos(span.to),
    };
    if (span.what === "task") return { ...common, ...this.#task(span) };
    const parentSpanId = this.#taskSpanId(span.facts.task, span.generation);
    return { ...common, parentSpanId, ...(span.what === "attempt" ? this.#attempt(span) : this.#activity(span)) };
  }

  #about({ task, key }: TaskFacts): Record<string, string | undefined> {
    return { "heddle.task.id": this.#names.taskId(task), "heddle.task.key": key };
  }

  #task({ facts, generation, state, error, usage, turns, unfinished }: TaskSpan) {
    const { task, key, title, pool, parent, parentGeneration, priority, labels = {} } = facts;
    const id = this.#names.taskId(task);
    return {
      spanId: this.#taskSpanId(task, generation),
      parentSpanId: parent > 0 ? this.#taskSpanId(parent, parentGeneration) : spanId("run", 0, 1),
      name: `invoke_agent ${key ?? id}`,
      kind: 1 as const,
      attributes: attributes({
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": this.#names.format,
        "gen_ai.agent.id": id,
        "gen_ai.agent.name": key,
        "gen_ai.agent.description": title,
        "gen_ai.conversation.id": this.#names.run,
        "gen_ai.usage.input_tokens": usage.in,
        "gen_ai.usage.output_tokens": usage.out,
        "gen_ai.usage.cache_read.input_tokens": usage.read,
        "gen_ai.usage.cache_creation.input_tokens": usage.write,
        "heddle.task.id": id,
        "heddle.task.key": key,
        "heddle.task.state": state,
        "heddle.task.pool": pool,
        "heddle.task.priority": priority,
        "heddle.task.generation": generation,
        "heddle.task.turns": turns,
        "heddle.usd": usage.nanos === undefined ? undefined : usage.nanos / 1e9,
        "heddle.unfinished": unfinished,
        "error.type": error?.code,
        ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [`heddle.label.${name}`, value])),
      }),
      status: error ? { code: 2 as const, message: error.message } : { code: 0 as const },
    };
  }

  #attempt({ facts, begun, attempt, worker, hosted, outcome, error, unfinished }: AttemptSpan) {
    return {
      spanId: spanId("attempt", begun),
      name: `attempt ${attempt}`,
      kind: 1 as const,
      attributes: attributes({
        ...this.#about(facts),
        "heddle.attempt": attempt,
        "heddle.worker": worker,
        "heddle.hosted": hosted,
        "heddle.outcome": outcome,
        "heddle.unfinished": unfinished,
        "error.type": error?.code,
      }),
      status: error ? { code: 2 as const, message: error.message } : { code: 0 as const },
    };
  }

  #activity(span: ActivitySpan) {
    const { facts, number, begun, kind, on, call, links, unfinished } = span;
    const inAttempt = begun > 0 && (kind === "model" || kind === "working" || kind === "lost");
    const tool = kind === "tools" ? on : undefined;
    const model = call?.usage.model;
    return {
      spanId: spanId("activity", facts.task, number),
      ...(inAttempt && { parentSpanId: spanId("attempt", begun) }),
      name: kind === "model" ? `chat ${model ?? "unknown"}` : tool !== undefined ? `execute_tool ${tool}` : kind,
      kind: kind === "model" ? (3 as const) : (1 as const),
      attributes: attributes({
        ...this.#about(facts),
        "heddle.doing": kind,
        "heddle.on": on,
        "heddle.unfinished": unfinished,
        ...(kind === "model" && { "gen_ai.operation.name": "chat", "gen_ai.provider.name": this.#names.format }),
        ...(tool !== undefined && { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool }),
        ...(call && {
          "gen_ai.request.model": model,
          "gen_ai.response.model": model,
          "gen_ai.conversation.id": this.#names.run,
          "gen_ai.usage.input_tokens": call.usage.in,
          "gen_ai.usage.output_tokens": call.usage.out,
          "gen_ai.usage.cache_read.input_tokens": call.usage.read,
          "gen_ai.usage.cache_creation.input_tokens": call.usage.write,
          "gen_ai.response.time_to_first_chunk": call.firstMs === undefined ? undefined : call.firstMs / 1000,
          "heddle.turn": call.turn,
          "heddle.usd": call.usage.nanos === undefined ? undefined : call.usage.nanos / 1e9,
          "heddle.simulated": call.usage.simulated,
        }),
      }),
      ...(links.length > 0 && {
        links: links.map(({ task, generation, kind: why, via }) => ({
          traceId: this.#traceId,
          spanId: this.#taskSpanId(task, Math.max(1, generation)),
          attributes: attributes({ "heddle.link": why, "heddle.variable": via }),
        })),
      }),
      status: { code: 0 as const },
    };
  }
}
