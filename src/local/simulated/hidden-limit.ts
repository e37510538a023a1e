/**
 * A limit that the simulated provider does not tell, as vendors have for an account: so many calls at once, of all blocks that name the
 * same one for the same model. For the isolate that serves the model, and forgotten with it.
 */

const serving = new Map<string, number>();

/** A place among those that are served; undefined: there is none, and the call is refused. The answer gives it back, once. */
export function takePlace(model: string, concurrent: number): (() => void) | undefined {
  const name = `${concurrent} ${model}`;
  const count = serving.get(name) ?? 0;
  if (count >= concurrent) return undefined;
  serving.set(name, count + 1);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    const left = serving.get(name)! - 1;
    if (left > 0) serving.set(name, left);
    else serving.delete(name);
  };
}
