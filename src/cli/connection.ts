/** Where the command line connects: the environment, or a local server. */

import { Heddle } from "../client/heddle.ts";
import { cliReachMs } from "../limits.ts";
import { UsageError } from "./usage.ts";

export function serverUrl(env: NodeJS.ProcessEnv = process.env): string {
  const text = env.HEDDLE_URL?.trim() || "http://127.0.0.1:8787";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`HEDDLE_URL is "${text}", which is not an address. Example: HEDDLE_URL=http://127.0.0.1:8787`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new UsageError(`HEDDLE_URL is "${text}"; it must begin with http:// or https://.`);
  // Without the address itself: what stands in it there is secret.
  if (url.username !== "" || url.password !== "")
    throw new UsageError(
      "HEDDLE_URL has a name or password in it, which can't be sent: give the key as HEDDLE_API_KEY.",
    );
  // As the dashboard's address has.
  if (/[?#]/.test(text))
    throw new UsageError('HEDDLE_URL has a "?" or "#" in it: give the address of the server alone.');
  return text;
}

/** A client of a server that answers. @throws HeddleUnreachable after `cliReachMs`, HeddleProblem while it is not ready */
export async function reach(): Promise<Heddle> {
  const client = connect();
  await client.health({ retryMs: cliReachMs });
  return client;
}

/** A client that has not asked the server anything yet. @throws UsageError */
export const connect = (): Heddle => new Heddle({ url: serverUrl(), key: apiKey() });

export function apiKey(env: NodeJS.ProcessEnv = process.env): string {
  const key = env.HEDDLE_API_KEY || "hdl_local";
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError("HEDDLE_API_KEY holds characters that no key has (spaces, line breaks?).");
}
