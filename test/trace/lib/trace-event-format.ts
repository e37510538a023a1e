/**
 * The rules of Chrome's JSON, from "Trace Event Format" (Google's public description): what a document may hold that viewers
 * are to open. Only the event types that Heddle writes are allowed.
 */

import * as z from "zod";

const args = z.record(z.string(), z.unknown());
/** Microseconds; fractions are allowed. */
const ts = z.number().min(0);
const track = { pid: z.int().min(0), tid: z.int().min(0) };
const text = z.string().min(1);
const metadata = <Name extends string, Shape extends z.ZodRawShape>(name: Name, shape: Shape) =>
  z.strictObject({ ph: z.literal("M"), name: z.literal(name), ...track, args: z.strictObject(shape) });
const flow = { name: text, cat: text, id: z.union([z.int(), text]), ...track, ts };

const event = z.union([
  // Complete events: a slice with its duration.
  z.strictObject({ ph: z.literal("X"), name: text, cat: text, ...track, ts, dur: z.number().min(0), args }),
  // Counters: each of `args` is a series.
  z.strictObject({ ph: z.literal("C"), name: text, ...track, ts, args: z.record(z.string(), z.number()) }),
  // Instants, of a thread, a process or all.
  z.strictObject({ ph: z.literal("i"), s: z.enum(["t", "p", "g"]), name: text, cat: text, ...track, ts, args }),
  // Flows; an end binds to the slice around it (`bp: "e"`), not to the next one.
  z.strictObject({ ph: z.literal("s"), ...flow }),
  z.strictObject({ ph: z.literal("f"), bp: z.literal("e"), ...flow }),
  metadata("process_name", { name: text }),
  metadata("thread_name", { name: text }),
  metadata("process_sort_index", { sort_index: z.int() }),
]);

const document = z.strictObject({
  displayTimeUnit: z.enum(["ms", "ns"]),
  otherData: args,
  traceEvents: z.array(event),
});

type Event = z.infer<typeof event>;
type Of<Ph extends Event["ph"]> = Extract<Event, { ph: Ph }>;

/** What is wrong with a document by the format's rules: none when all is well. */
export function faultsOf(text: string): string[] {
  const parsed = document.safeParse(JSON.parse(text));
  if (!parsed.success) return parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  const events = parsed.data.traceEvents;
  return [...names(events), ...nesting(events), ...flows(events)];
}

const of = <Ph extends Event["ph"]>(events: readonly Event[], ph: Ph) =>
  events.filter((one): one is Of<Ph> => one.ph === ph);
const trackOf = ({ pid, tid }: { pid: number; tid: number }) => `${pid}/${tid}`;

/** Every group and every track with slices is named, once. */
function names(events: readonly Event[]): string[] {
  const given = of(events, "M").flatMap((one) =>
    one.name === "process_name" ? [`${one.pid}`] : one.name === "thread_name" ? [trackOf(one)] : [],
  );
  const used = new Set(of(events, "X").flatMap((one) => [`${one.pid}`, trackOf(one)]));
  return [
    ...given.filter((name, i) => given.indexOf(name) !== i).map((name) => `${name} is named twice`),
    ...[...used].filter((name) => !given.includes(name)).map((name) => `${name} has no name`),
  ];
}

/** Slices of one track are disjoint or one within the other. */
function nesting(events: readonly Event[]): string[] {
  const found: string[] = [];
  for (const [name, slices] of Map.groupBy(of(events, "X"), trackOf)) {
    const open: number[] = [];
    for (const { ts, dur, name: slice } of slices.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      while (open.length > 0 && open.at(-1)! <= ts) open.pop();
      if (open.length > 0 && ts + dur > open.at(-1)!) found.push(`${slice} on ${name} at ${ts} overlaps`);
      open.push(ts + dur);
    }
  }
  return found;
}

/** A flow has one beginning and one end of the same name and category, not before it, and each within a slice. */
function flows(events: readonly Event[]): string[] {
  const found: string[] = [];
  const slices = Map.groupBy(of(events, "X"), trackOf);
  const isInSlice = (one: Of<"s"> | Of<"f">) =>
    slices.get(trackOf(one))?.some(({ ts, dur }) => ts <= one.ts && one.ts <= ts + dur) === true;
  const ends = new Map(of(events, "f").map((end) => [end.id, end]));
  const begins = of(events, "s");
  if (ends.size !== begins.length || ends.size !== of(events, "f").length) found.push("a flow without its other end");
  for (const begin of begins) {
    const end = ends.get(begin.id);
    const where = `flow ${begin.id}`;
    if (!end || end.name !== begin.name || end.cat !== begin.cat) found.push(`${where} has no end of its name`);
    else if (end.ts < begin.ts) found.push(`${where} ends before it begins`);
    else if (!isInSlice(begin) || !isInSlice(end)) found.push(`${where} touches no slice`);
  }
  return found;
}
