/** `heddle doctor` */

import type { AboutView } from "../../client/replies.ts";
import { nodeMajorMin } from "../../limits.ts";
import { version } from "../../version.ts";
import type { Command, Given } from "../command.ts";
import { apiKey, serverUrl } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { oneLine } from "../plain-text.ts";
import { type Colour, hasColours } from "../screen/colours.ts";
import { paintOf, say, sayJson } from "../screen/output.ts";
import { padText } from "../screen/text-width.ts";
import { UsageError } from "../usage.ts";
import {
  type Check,
  clockCheck,
  harnessCheck,
  keyCheck,
  modelsCheck,
  nodeCheck,
  poolCheck,
  type Seen,
  scopesCheck,
  serverCheck,
  skipped,
  terminalCheck,
  versionCheck,
} from "./check.ts";
import { installedHarnesses } from "./harnesses.ts";
import { look } from "./observe.ts";

export const doctorCommand: Command = {
  name: "doctor",
  group: "Set up",
  summary: "what is wrong with this setup, and what to do",
  flags: {
    pool: { value: "NAME", many: true, about: "look whether this pool has workers; may be given more than once" },
    json: { about: '{"ok", "checks": [{"name", "state", "message", "fix"?}]} as one JSON object' },
  },
  about: `Looks at everything that heddle needs: Node, HEDDLE_URL and the server behind it, the key and what it may do, versions,
which models answer, clocks, workers of the pools that you name, harnesses, and the terminal. It changes nothing.
A check is ok, a note (worth knowing), wrong, or skipped because another one failed; what is wrong comes with what to do.`,
  more: "Exit status: 0 nothing is wrong; 1 something is; 2 usage.",
  run: doctor,
};

async function doctor({ flags }: Given): Promise<number> {
  const checks: Check[] = [];
  const pools = (flags.pool as string[] | undefined) ?? [];
  const paint = paintOf();
  const width = Math.max("harnesses".length, ...pools.map((pool) => `pool ${pool}`.length));
  const add = (check: Check): Check => {
    checks.push(check);
    if (flags.json === true) return check;
    say(
      `${paint(padText(check.state, 7), colours[check.state])}  ${padText(check.name, width)}  ${oneLine(check.message)}`,
    );
    if (check.fix !== undefined) say(`${" ".repeat(width + 11)}→ ${check.fix}`);
    return check;
  };
  add(nodeCheck(process.versions.node, nodeMajorMin));
  await addServer(add, pools);
  add(harnessCheck(await installedHarnesses()));
  add(terminalCheck(process.stdout.isTTY === true, hasColours(process.stdout), process.env));
  const isWell = checks.every(({ state }) => state !== "wrong");
  if (flags.json === true) sayJson({ ok: isWell, checks });
  return isWell ? exitStatus.ok : exitStatus.failed;
}

const colours: Readonly<Record<Check["state"], Colour | undefined>> = {
  ok: "green",
  note: "cyan",
  wrong: "red",
  skipped: "dim",
};

/** All that needs the server; what can't be asked is told as skipped. */
async function addServer(add: (check: Check) => Check, pools: readonly string[]): Promise<void> {
  const skip = (names: readonly string[], why: string) => {
    for (const name of names) add(skipped(name, why));
  };
  const ofPools = pools.map((pool) => `pool ${pool}`);
  const url = setting("server", serverUrl);
  const isReady = add(typeof url === "string" ? serverCheck(url, await look(url, "/health")) : url).state === "ok";
  if (typeof url !== "string" || !isReady)
    return skip(["key", "scopes", "version", "models", "clock", ...ofPools], "the server has to be ready first");

  const key = setting("key", apiKey);
  const beganAt = Date.now();
  const seen: Seen = typeof key === "string" ? await look(url, "/v1/about", key) : { away: "not asked" };
  const ours = (beganAt + Date.now()) / 2;
  const isKnown = add(typeof key === "string" ? keyCheck(seen, !process.env.HEDDLE_API_KEY) : key).state === "ok";
  if (typeof key !== "string" || !isKnown || !("status" in seen))
    return skip(["scopes", "version", "models", "clock", ...ofPools], "needs a key that the server knows");

  const about = seen.body as AboutView;
  add(scopesCheck(about, pools));
  add(versionCheck(about.version, version));
  add(modelsCheck(about));
  add(clockCheck(about.at, ours, seen.tookMs));
  for (const pool of pools) add(poolCheck(pool, await look(url, `/v1/pools/${encodeURIComponent(pool)}`, key)));
}

/** A setting of the environment; what is wrong with it is a finding here, and no usage error. */
function setting(name: string, read: () => string): string | Check {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { name, state: "wrong", message: error.message, fix: "Set the variable anew." };
  }
}
