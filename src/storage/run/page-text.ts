/**
 * The text of a checkpoint's page: a JSON array of packed tasks, by their numbers. It is taken apart at the places between them and put
 * together again, and what lies in between is not read: a command that changes one task in each page, and a look at one of 500, cost a tenth
 * of what parsing all of them does.
 *
 * T1. A packed task begins with its number, and nothing else does that stands between the elements of an array. A text in a task can't look
 *     so, since its quotes are escaped.
 * T2. What does not come apart into tasks in the order of their numbers, whoever wrote it, is parsed.
 */

const begin = '{"n":';
const between = `},${begin}`;
/** A number and what ends it. */
const numberChars = 12;

/** The tasks of a page, by number, as texts. */
export function tasksIn(text: string): Map<number, string> {
  const tasks = new Map<number, string>();
  let last = Number.NEGATIVE_INFINITY;
  for (let from = 1; from < text.length - 1; ) {
    const next = text.indexOf(between, from);
    const end = next < 0 ? text.length - 1 : next + 1;
    const place = from + begin.length;
    const n = text.startsWith(begin, from) ? Number.parseInt(text.slice(place, place + numberChars), 10) : Number.NaN;
    if (!(n > last)) return parsed(text);
    tasks.set(n, text.slice(from, end));
    last = n;
    from = end + 1;
  }
  return tasks;
}

const parsed = (text: string): Map<number, string> =>
  new Map((JSON.parse(text) as { readonly n: number }[]).map((task) => [task.n, JSON.stringify(task)]));

/** The inverse. */
export function pageText(tasks: ReadonlyMap<number, string>): string {
  const numbers = [...tasks.keys()].sort((a, b) => a - b);
  return `[${numbers.map((n) => tasks.get(n)).join(",")}]`;
}
