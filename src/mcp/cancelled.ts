/**
 * Cancellation in the revisions of 2025: a message of its own, which names a request by its number and its client by a session's id.
 *
 * That id is given to each client that introduces itself, and stands for nothing else: no state belongs to it. What is known is which
 * calls are under way here; a word that reaches another isolate finds nothing, and the wait ends with its time.
 */

const underWay = new Map<string, () => void>();

export const sessionHeader = "mcp-session-id";

/** A client with the same bearer alone can name it. */
const nameOf = ({ headers }: Request, id: unknown): string | undefined => {
  const session = headers.get(sessionHeader);
  return session === null ? undefined : JSON.stringify([headers.get("authorization"), session, id]);
};

/** Resolves when the client cancels the request; `done` must follow. */
export function cancellationOf(
  request: Request,
  id: unknown,
): { readonly cancelled: Promise<void>; readonly done: () => void } {
  const name = nameOf(request, id);
  if (name === undefined) return { cancelled: new Promise(() => {}), done: () => {} };
  let cancel = () => {};
  const cancelled = new Promise<void>((resolve) => {
    cancel = resolve;
  });
  underWay.set(name, cancel);
  return {
    cancelled,
    done: () => {
      if (underWay.get(name) === cancel) underWay.delete(name);
    },
  };
}

export function cancel(request: Request, message: object): void {
  const { params } = message as { params?: { requestId?: unknown } };
  const name = nameOf(request, params?.requestId);
  if (name !== undefined) underWay.get(name)?.();
}
