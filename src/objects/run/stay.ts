/**
 * Keeps an object in memory for what only its memory knows: a deployment's leaves it ten seconds after its last call or timer, and is
 * loaded anew by whatever comes next.
 */
export class Stay {
  #stay: { readonly until: number; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  /** At least until then; both epoch ms. */
  until(until: number, now: number): void {
    if (until <= now || (this.#stay && this.#stay.until >= until)) return;
    clearTimeout(this.#stay?.timer);
    const timer = setTimeout(() => {
      this.#stay = undefined;
    }, until - now);
    this.#stay = { until, timer };
  }

  /** There is nothing to stay for any more. */
  end(): void {
    clearTimeout(this.#stay?.timer);
    this.#stay = undefined;
  }
}
