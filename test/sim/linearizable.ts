/**
 * Whether a history of concurrent calls could have been made one after another, each at some moment between its call and its
 * answer: the search of Wing and Gong, with Lowe's memory of the configurations that led nowhere.
 */

export interface Call<Op, Answer> {
  readonly op: Op;
  readonly answer: Answer;
  /** When it was called and answered, on one clock; order decides, not distance. */
  readonly from: number;
  readonly to: number;
}

/** A sequential object. States are plain JSON. */
export interface Model<State, Op, Answer> {
  readonly initial: State;
  /** Undefined: the op can't take effect in this state (it would wait), or not with this answer. */
  readonly next: (state: State, op: Op, answer: Answer) => State | undefined;
}

/** An order of the calls (indexes) that the model agrees with; undefined when there is none. */
export function linearize<State, Op, Answer>(
  calls: readonly Call<Op, Answer>[],
  model: Model<State, Op, Answer>,
): number[] | undefined {
  const byStart = calls.map((_, i) => i).sort((a, b) => calls[a]!.from - calls[b]!.from);
  const done = new Uint8Array(calls.length);
  const seen = new Set<string>();
  const order: number[] = [];
  const go = (state: State): boolean => {
    if (order.length === calls.length) return true;
    const known = `${done.join("")} ${JSON.stringify(state)}`;
    if (seen.has(known)) return false;
    seen.add(known);
    // Only calls that began before the first of the rest was answered may be next.
    let firstAnswer = Number.POSITIVE_INFINITY;
    for (const i of byStart) if (!done[i]) firstAnswer = Math.min(firstAnswer, calls[i]!.to);
    for (const i of byStart) {
      const call = calls[i]!;
      if (call.from > firstAnswer) break;
      if (done[i]) continue;
      const after = model.next(state, call.op, call.answer);
      if (after === undefined) continue;
      done[i] = 1;
      order.push(i);
      if (go(after)) return true;
      done[i] = 0;
      order.pop();
    }
    return false;
  };
  return go(model.initial) ? order : undefined;
}
