/** Readiness: 200 only when a run could be created now. */

import { parseBilling } from "../contract/billing.ts";
import { parseCollector } from "../contract/collector.ts";
import { deploymentSeats } from "../contract/deployment-seats.ts";
import { parsePriceList } from "../contract/price-list.ts";
import { parseRetention } from "../contract/retention.ts";
import { healthView } from "../contract/tenant-responses.ts";
import { Fault } from "../errors/fault.ts";
import { secretCharsMin } from "../limits.ts";
import { compileRules } from "../rules/parse.ts";
import { missingMigrations } from "../storage/d1/schema.ts";
import type { HttpEnv } from "./env.ts";
import { publicRoute } from "./route.ts";
import { secretMissing } from "./secrets.ts";

export const healthRoute = publicRoute(
  {
    method: "GET",
    path: "/health",
    summary: "Ready to serve",
    answer: { status: 200, schema: healthView },
    problems: ["not_ready"],
  },
  async ({ env }) => {
    const missing = [...(await missingFromDatabase(env)), ...missingSecrets(env)];
    if (missing.length > 0) throw new Fault("not_ready", `missing: ${missing.join("; ")}`);
    const prices = parsePriceList(env.HEDDLE_PRICES);
    if (!prices.ok) throw new Fault("not_ready", `HEDDLE_PRICES can't be read: ${prices.message}`);
    const retention = parseRetention(env.HEDDLE_RETENTION_DAYS);
    if (!retention.ok) throw new Fault("not_ready", `HEDDLE_RETENTION_DAYS can't be used: ${retention.message}`);
    const collector = parseCollector(env);
    if (!collector.ok) throw new Fault("not_ready", collector.message);
    const seats = deploymentSeats(env.HEDDLE_SEATS);
    if (!seats.ok) throw new Fault("not_ready", seats.message);
    const billing = parseBilling(env);
    if (!billing.ok) throw new Fault("not_ready", billing.message);
    const rules = compileRules(env.HEDDLE_RULES ?? "");
    if (!rules.ok)
      throw new Fault("not_ready", `HEDDLE_RULES, line ${rules.errors[0]!.line}: ${rules.errors[0]!.message}`);
    return { status: "ready" };
  },
);

async function missingFromDatabase(env: HttpEnv): Promise<string[]> {
  try {
    const [first] = await missingMigrations(env.DB);
    return first === undefined ? [] : [`the migrations (from ${first} on)`];
  } catch (error) {
    console.error(error);
    return ["an answer from the database"];
  }
}

const missingSecrets = (env: HttpEnv): string[] =>
  (env.HEDDLE_SECRET ?? "").length < secretCharsMin ? [secretMissing] : [];
