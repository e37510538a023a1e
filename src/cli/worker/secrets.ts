/**
 * Secrets in a worker's own environment. Of a program that a task has a hand in, the lease is the only authority in Heddle: the worker's key
 * would allow far more, and what an operator has set, anything.
 */

const secrets: readonly string[] = [
  ...["HEDDLE_API_KEY", "HEDDLE_ADMIN_SECRET", "HEDDLE_SECRET"],
  ...["HEDDLE_CREDENTIALS_KEY", "HEDDLE_CREDENTIALS_KEY_OLD", "HEDDLE_BILLING_KEY"],
];

/** The environment without them. */
export const withoutSecrets = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !secrets.includes(name)));
