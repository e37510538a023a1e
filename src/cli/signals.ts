/** Calls `then` at each signal to end; the answer stops that. */
export function onSignals(then: () => void): () => void {
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, then);
  return () => {
    for (const name of names) process.off(name, then);
  };
}
