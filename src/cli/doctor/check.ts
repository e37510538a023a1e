/**
 * What `heddle doctor` concludes from what it saw. Pure: the looking is in observe.ts.
 *
 * Every check says what is; one that finds something wrong says what to do.
 */

import type { AboutView } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { clockSkewMs } from "../../limits.ts";

export interface Check {
  readonly name: string;
  /** note: worth knowing, nothing wrong. skipped: could not be looked at. */
  readonly state: "ok" | "note" | "wrong" | "skipped";
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}

/** An answer of the server, or why there was none. */
export type Seen =
  | { readonly status: number; readonly body: unknown; readonly tookMs: number }
  | { readonly away: string };

const ok = (name: string, message: string): Check => ({ name, state: "ok", message });
const remark = (name: string, message: string, fix?: string): Check => ({
  name,
  state: "note",
  message,
  ...(fix && { fix }),
});
const wrong = (name: string, message: string, fix: string): Check => ({ name, state: "wrong", message, fix });
export const skipped = (name: string, message: string): Check => ({ name, state: "skipped", message });

export function nodeCheck(version: string, least: number): Check {
  return Number(version.split(".")[0]) >= least
    ? ok("node", `Node ${version}`)
    : wrong("node", `Node ${version} is too old`, `Install Node ${least} or newer.`);
}

export function serverCheck(url: string, health: Seen): Check {
  if ("away" in health)
    return wrong(
      "server",
      `${url} can't be reached: ${health.away}`,
      "Start one with `npm run dev`, or set HEDDLE_URL to where yours is.",
    );
  if (health.status === 200 && fieldOf(health.body, "status") === "ready")
    return ok("server", `${url} is ready, answered in ${duration(health.tookMs)}`);
  if (fieldOf(health.body, "code") === "not_ready")
    return wrong(
      "server",
      `${url} is not ready: ${fieldOf(health.body, "detail")}`,
      "Apply the migrations and set the secrets that are missing, as docs/operating.md says.",
    );
  return wrong(
    "server",
    `${url} answers ${health.status}, but not as Heddle does`,
    "Check HEDDLE_URL, and any proxy between.",
  );
}

export function keyCheck(about: Seen, isDefault: boolean): Check {
  if ("away" in about) return skipped("key", about.away);
  if (about.status === 200) {
    if (!Array.isArray(fieldOf(about.body, "scopes")))
      return wrong("key", "could not be looked up: something else than Heddle answers", "Check any proxy between.");
    const { tenant, scopes } = about.body as AboutView;
    return ok("key", `${isDefault ? "local mode's own" : "valid"}, tenant ${tenant}, scopes ${scopes.join(", ")}`);
  }
  const detail = fieldOf(about.body, "detail") ?? `status ${about.status}`;
  if (about.status === 401)
    return wrong(
      "key",
      isDefault ? `HEDDLE_API_KEY is not set, and this server does not know local mode's key` : `refused: ${detail}`,
      "Set HEDDLE_API_KEY to a key of this server; its operator makes them (docs/operating.md).",
    );
  if (about.status === 404 || about.status === 405)
    return remark("key", "this server is too old to tell what the key may do", "Update the server.");
  return wrong("key", `could not be looked up: ${detail}`, "Look at the server's log.");
}

/** What the key may not do; `pools`: somebody means to work. */
export function scopesCheck({ scopes }: AboutView, pools: readonly string[]): Check {
  if (pools.length > 0 && !scopes.includes("workers"))
    return wrong(
      "scopes",
      "the key may not lease tasks: it lacks the scope workers",
      "Use a key with the scope workers for `heddle work`.",
    );
  if (!scopes.includes("runs"))
    return remark(
      "scopes",
      "the key may only lease tasks (`heddle work`); runs are refused to it: it lacks the scope runs",
    );
  return scopes.includes("workers")
    ? ok("scopes", "runs, and leasing for `heddle work`")
    : remark("scopes", "runs; `heddle work` needs a key with the scope workers");
}

/** A patch apart both understand each other; a minor version may ask for, or answer, what the other side does not know. */
export function versionCheck(server: string, own: string): Check {
  const message = `the server is ${server}, this command ${own}`;
  if (server === own) return ok("version", message);
  const [theirs, ours] = [partsOf(server), partsOf(own)];
  const apart = theirs.findIndex((part, i) => part !== ours[i]);
  if (apart === 2 || apart < 0) return remark("version", message);
  return theirs[apart]! < ours[apart]!
    ? wrong(
        "version",
        `${message}: the server is older, and may refuse what this command asks for`,
        `Deploy Heddle ${own} there, or use the command of ${server}.`,
      )
    : wrong(
        "version",
        `${message}: the server is newer, and may answer what this command does not know`,
        `Update this command to ${server} (npm install heddle@${server}).`,
      );
}

/** Major, minor and patch. */
const partsOf = (version: string): number[] => version.split(/[.+-]/, 3).map(Number);

export function modelsCheck({ models }: AboutView): Check {
  const of = (source: string) =>
    Object.entries(models)
      .filter(([, one]) => one === source)
      .map(([format]) => format);
  const fix = "Set ANTHROPIC_API_KEY or OPENAI_API_KEY where the server runs (README, Real models).";
  const [provider, simulated, none] = [of("provider"), of("simulated"), of("none")];
  if (provider.length === 0 && simulated.length === 0)
    return wrong("models", "no provider is configured: hosted tasks fail with no_provider", fix);
  const parts = [
    provider.length > 0 && `a provider answers contexts of format ${provider.join(", ")}`,
    simulated.length > 0 && `the simulated model answers ${simulated.join(", ")}`,
    none.length > 0 && `nothing answers ${none.join(", ")}`,
  ].filter(Boolean);
  return provider.length === Object.keys(models).length
    ? ok("models", parts.join("; "))
    : remark("models", parts.join("; "), fix);
}

/** `server`: its clock when it answered; `ours`: ours, in the middle of the request. */
export function clockCheck(server: number, ours: number, uncertainMs: number): Check {
  const skewMs = ours - server;
  if (Math.abs(skewMs) <= clockSkewMs + uncertainMs) return ok("clock", "agrees with the server's");
  return wrong(
    "clock",
    `this machine's is ${duration(Math.abs(skewMs))} ${skewMs > 0 ? "ahead of" : "behind"} the server's`,
    "Set the clock (NTP): times in logs and of leases are the server's.",
  );
}

export function poolCheck(pool: string, seen: Seen): Check {
  const name = `pool ${pool}`;
  if ("away" in seen) return skipped(name, seen.away);
  if (seen.status === 200) {
    const workers = fieldOf(seen.body, "workers");
    if (!Array.isArray(workers)) return remark(name, "this server does not tell a pool's workers");
    if (workers.length > 0) return ok(name, `${workers.length} ${workers.length === 1 ? "worker" : "workers"}`);
    return wrong(name, "no worker has asked for work lately", `Start one: heddle work --pool ${pool} -- COMMAND`);
  }
  if (seen.status === 404 || seen.status === 405) return remark(name, "this server does not tell a pool's workers");
  return wrong(
    name,
    `the server refuses to tell its workers: ${fieldOf(seen.body, "detail") ?? `status ${seen.status}`}`,
    "Check the pool's name, and the key's scopes.",
  );
}

/** `found`: by name, what each says its version is; undefined for one that is not on the PATH. */
export function harnessCheck(found: Readonly<Record<string, string | undefined>>): Check {
  const told = Object.entries(found).map(([name, version]) => `${name} ${version ?? "not installed"}`);
  const isAny = Object.values(found).some((version) => version !== undefined);
  return isAny
    ? ok("harnesses", told.join(", "))
    : remark("harnesses", told.join(", "), "`heddle work --harness` needs one of them (docs/harnesses.md).");
}

export function terminalCheck(isTerminal: boolean, hasColours: boolean, env: NodeJS.ProcessEnv): Check {
  if (!isTerminal) return remark("terminal", "stdout is no terminal: no colours, and nothing is cut to a width");
  if (hasColours) return ok("terminal", "takes colours");
  return remark(
    "terminal",
    env.NO_COLOR ? "no colours: NO_COLOR is set" : `no colours: TERM is ${env.TERM ?? "not set"}`,
  );
}

const fieldOf = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
