/**
 * Which way imports point (ARCHITECTURE: domain folders are pure, platform folders do I/O), as data and one function.
 *
 * A layer may import the layers that it names; of those in `types` only types. `packages` are what it may import from
 * outside. A folder that is not listed here fails: its place in the order has to be decided first.
 */

import { dirname, join, normalize } from "node:path/posix";

interface Layer {
  readonly imports?: readonly string[];
  readonly types?: readonly string[];
  readonly packages?: readonly RegExp[];
  /** No clock, chance, I/O or async. */
  readonly pure?: true;
}

const ground = ["limits", "ids", "lru", "errors"];
const domain = [...ground, "availability", "context", "rules", "scheduler", "variables", "webhooks"];

export const layers: Readonly<Record<string, Layer>> = {
  limits: { pure: true },
  ids: { imports: ["limits"], pure: true },
  lru: { pure: true },
  version: { pure: true },
  duration: { pure: true },
  csv: { pure: true },
  nearest: { imports: ["limits"], pure: true },
  unreached: { pure: true },
  // Async, as WebCrypto is.
  signing: {},
  sealing: {},
  errors: { imports: ["limits"], pure: true },
  // Counted by the door and by the objects.
  admission: { imports: ["limits"], pure: true },
  // What tokens cost: data, a look-up and sums.
  prices: { imports: ["limits"], pure: true },
  // How seats are shared out: by gates, from what runs report.
  fairness: { imports: ["limits"], pure: true },
  // Markdown to data and back: a run's state keeps the data, the command line reads the text.
  rules: { imports: ["limits", "ids", "errors", "nearest", "prices"], pure: true },
  // Known to whoever calls a model and to whoever reckons with it.
  "served-by": { types: ["context"], pure: true },
  // Async: it waits between two calls. Beside the objects and the door, which both call objects.
  "object-calls": { imports: ["errors"], types: ["objects"] },
  // Carried on by the door and by the sweep.
  "tenant-rules": { imports: ["limits", "errors", "rules", "storage/d1", "within"], types: ["objects"] },
  "tenant-deletion": { imports: ["limits", "storage/d1"], types: ["objects"] },
  // A hash that is not async exists in node:crypto alone.
  context: { imports: ground, packages: [/^node:crypto$/], pure: true },
  variables: { imports: ground, pure: true },
  contract: {
    imports: [
      ...ground,
      "availability/observation",
      "context",
      "json-schema/pattern-program",
      "json-schema/references",
      "json-schema/work",
      "nearest",
      "rules/finding-kinds",
      "rules/metrics-over-time",
      "trace/kinds",
      "webhooks",
    ],
    types: ["prices", "variables"],
    packages: [/^zod$/],
    pure: true,
  },
  // Which events a webhook tells of, and what becomes of a message.
  webhooks: { imports: ["limits"], types: ["ids", "scheduler"], pure: true },
  // How many calls a provider takes at once: a fold of what calls tell.
  availability: { imports: ["limits"], pure: true },
  scheduler: {
    imports: [...ground, "availability", "context", "prices", "rules"],
    types: ["contract", "variables", "webhooks"],
    pure: true,
  },
  // Folds of the log.
  trace: { imports: [...ground, "csv", "duration", "prices", "rules"], types: ["scheduler", "contract"], pure: true },
  // Async: a bound on a wait.
  within: {},
  // Async: a pause in a loop.
  "let-others": {},
  // The cron and the door both have runs metered.
  "meter-runs": { imports: ["limits", "let-others", "within", "storage"], types: ["objects"] },
  // What a log is billed for.
  metering: { types: ["scheduler"], pure: true },
  // Below the objects and the door, which both read and write through it.
  storage: { imports: [...domain, "contract/billing"], types: ["contract", "metering", "objects"] },
  objects: {
    imports: [
      ...domain,
      "admission",
      "contract",
      "fairness",
      "metering",
      "within",
      "let-others",
      "object-calls",
      "prices",
      "served-by",
      "storage",
      "tenant-deletion",
      "tenant-rules",
    ],
    packages: [/^cloudflare:workers$/],
  },
  // Asks MCP servers of tenants: the door, when a run is created, and the seats, for a call.
  "mcp-client": {
    imports: [...ground, "contract", "sealing", "storage/d1", "unreached", "version"],
    packages: [/^@modelcontextprotocol\/client$/],
  },
  agent: {
    imports: [
      ...[...ground, "availability/rate-headers", "mcp-client", "signing", "sealing", "context", "contract"],
      ...["served-by", "storage/d1", "unreached", "output-schema"],
    ],
    types: ["availability", "objects", "scheduler"],
    packages: [/^openai(\/|$)/, /^@anthropic-ai\/sdk(\/|$)/],
  },
  // What a task's result is held to, by whoever takes it: the seats and the door.
  "output-schema": { imports: ["contract/json-bounds", "json-schema"] },
  // Values held against JSON Schemas, in a bounded number of steps.
  "json-schema": { imports: ["limits"], packages: [/^@cfworker\/json-schema$/], pure: true },
  // An answer's body, as far as it is of interest. Async.
  "body-text": {},
  // From usage to a billing provider's events, by the cron and by the operator.
  billing: {
    imports: ["limits", "agent/models/faults", "body-text", "contract", "storage/d1", "unreached", "version"],
  },
  // Pushes traces; of the agents it has how a provider's answer is read.
  collector: {
    imports: [
      ...[...ground, "agent/models/faults", "body-text", "contract", "storage/run/event-codec", "trace"],
      ...["unreached", "version"],
    ],
    types: ["objects"],
  },
  // Sends messages: from a queue consumer, and from the door, a test one.
  "webhook-push": {
    imports: ["limits", "agent/models/faults", "body-text", "contract/tool-address", "signing", "unreached", "version"],
    types: ["objects", "webhooks"],
  },
  http: {
    imports: [
      ...ground,
      "admission",
      "billing",
      "csv",
      "let-others",
      "mcp-client",
      "meter-runs",
      "version",
      "webhook-push/send",
      "webhooks",
      "signing",
      "sealing",
      "served-by",
      "context",
      "contract",
      "object-calls",
      "output-schema",
      // What it lists to tenants.
      "prices/table",
      "tenant-deletion",
      "tenant-rules",
      "rules",
      // A fold of the log, with the scheduler's own rules.
      "scheduler/rules/trial",
      "trace",
      "storage/d1",
      "storage/run/event-codec",
    ],
    types: ["objects", "scheduler"],
    packages: [/^hono(\/|$)/, /^zod$/],
  },
  // Another door to the same room: what it is asked it asks the HTTP door's own routes.
  mcp: {
    imports: [...ground, "context", "contract", "version", "http/base64url"],
    types: ["http"],
    packages: [/^zod$/, /^@modelcontextprotocol\/server$/],
  },
  deployment: {
    imports: [
      ...[
        "agent",
        "billing",
        "collector",
        "contract/billing",
        "contract/collector",
        "errors",
        "http",
        "mcp",
        "meter-runs",
        "objects",
        "served-by",
        "webhook-push",
      ],
    ],
    packages: [/^cloudflare:workers$/],
  },
  index: { imports: ["deployment", "objects"] },
  local: {
    imports: [...ground, "context", "contract", "deployment", "objects"],
    packages: [/^cloudflare:workers$/, /^zod$/],
  },
  // Nothing but the web's own: it runs in browsers and Workers.
  client: { imports: ["limits", "version"], types: ["context", "contract", "errors"] },
  // Loops of one's own on vendors' SDKs: of those the types alone, but for the AI SDK, whose tools only it can make.
  loops: { imports: ["client"], packages: [/^ai$/] },
  cli: {
    // Of the errors it needs what its workspace tools answer, and by which status a command says that it may be tried again.
    imports: [
      "limits",
      "csv",
      "version",
      "duration",
      "nearest",
      "rules",
      "client",
      "context/json-position",
      "context/json-text",
      "errors/codes",
      "errors/faults",
      "json-schema",
    ],
    types: ["context", "contract"],
    packages: [/^node:/, /^yaml$/],
  },
};

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

const statement = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?((?:[^;"']*?\s)?from\s+)?"([^"\n]+)"/g;
const dynamic = /\bimport\(\s*"([^"\n]+)"/g;

/** The imports and re-exports of a module's text. */
export function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const [, type, clause, from] of text.matchAll(statement)) {
    const names = /\{([^}]*)\}/.exec(clause ?? "")?.[1];
    const onlyTypes =
      names?.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type ")) &&
      /^\s*\{[^}]*\}\s*from\s*$/.test(clause ?? "");
    found.push({ from: from!, typeOnly: type !== undefined || onlyTypes === true });
  }
  for (const [, from] of text.matchAll(dynamic)) found.push({ from: from!, typeOnly: false });
  return found;
}

const impure =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.now\b|\bset(?:Timeout|Interval)\b|\bfetch\(|\basync\b|\bawait\b(?!:)|\bgetRandomValues\b|\brandomUUID\b|\brandomBytes\b|\bprocess\.(?:env|hrtime)\b/;

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
const withoutStrings = (text: string): string =>
  text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '""');

/** `context/fork.ts` → `context`, `limits.ts` → `limits`. */
const layerOf = (path: string): string => path.split("/")[0]!.replace(/\.ts$/, "");

const within = (path: string, allowed: string): boolean =>
  path === `${allowed}.ts` || path.startsWith(`${allowed}/`) || layerOf(path) === allowed;

/** What breaks the rules in `files` (path under src → text): one line each. */
export function violations(files: Readonly<Record<string, string>>): string[] {
  const found: string[] = [];
  for (const [path, text] of Object.entries(files)) {
    const own = layerOf(path);
    const layer = layers[own];
    if (!layer) {
      found.push(`${path}: "${own}" has no place in the order of layers`);
      continue;
    }
    const code = withoutComments(text);
    for (const { from, typeOnly } of importsOf(code)) {
      if (!from.startsWith(".")) {
        if (!typeOnly && !layer.packages?.some((name) => name.test(from))) found.push(`${path}: imports ${from}`);
        continue;
      }
      const target = normalize(join(dirname(path), from));
      if (target.startsWith("..")) {
        found.push(`${path}: imports ${from}, outside src`);
        continue;
      }
      if (layerOf(target) === own) continue;
      const may = (names: readonly string[] = []) => names.some((name) => within(target, name));
      if (may(layer.imports) || (typeOnly && may(layer.types))) continue;
      found.push(`${path}: imports ${may(layer.types) ? "more than types of " : ""}${target}`);
    }
    const chance = layer.pure && impure.exec(withoutStrings(code));
    if (chance) found.push(`${path}: is to be pure and has ${chance[0]}`);
  }
  return found;
}
