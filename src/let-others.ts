/**
 * Lets what came meanwhile have its turn: for loops over thousands of objects. Local mode has all of them on the one thread that also reads
 * requests, and calls among them keep it busy without a pause: a sweep over a thousand runs answered nobody until it was over, and the
 * launcher took the server for dead. A timer is what the runtime looks at the network for.
 */
export const letOthers = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
