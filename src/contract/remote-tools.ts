/**
 * RemoteTool (contract, DESIGN §4): a tool that a run declares, and that its own workers or endpoints carry out.
 *
 * R1. A declared tool has a name that no tool of Heddle's has, and one place where it is carried out.
 * R2. Its schema is kept as the text received, and what a model is shown is made of it once for a run (`toolsText`).
 */

import * as z from "zod";
import { isObject } from "../context/is-object.ts";
import { rawAt } from "../context/json-text.ts";
import type { Format } from "../context/types.ts";
import * as limits from "../limits.ts";
import { withProblem } from "./field-errors.ts";
import type { RemoteToolView } from "./shapes.ts";
import { poolName } from "./task-spec.ts";
import { isToolName, ownToolsText } from "./tools.ts";
import { fitsUtf8 } from "./utf8.ts";

export const remoteToolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "a tool's name is [a-zA-Z0-9_-]{1,64}");

/** What both vendors refuse beside `type: "object"` at the top. */
const combinators = ["oneOf", "anyOf", "allOf", "enum", "not"];

const inputSchema = z
  .record(z.string(), z.unknown())
  .check(({ value, issues }) => {
    const report = (path: string, message: string) =>
      void issues.push({ code: "custom", input: value, path: [path], message });
    if (value.type !== "object") report("type", 'expected "object": a tool\'s arguments are one JSON object');
    for (const name of combinators)
      if (name in value) report(name, "not at the top of a tool's schema: model providers refuse it");
    const { properties, required } = value;
    const isSchema = (schema: unknown) => isObject(schema) || typeof schema === "boolean";
    if (properties !== undefined && !(isObject(properties) && Object.values(properties).every(isSchema)))
      report("properties", "expected an object of schemas");
    if (required !== undefined && !(Array.isArray(required) && required.every((name) => typeof name === "string")))
      report("required", "expected an array of names");
  })
  .describe("JSON Schema of the arguments, as models are shown it.");

export const toolUrl = z.string().max(limits.toolUrlCharsMax);

/** Of any call that is carried out elsewhere. */
export const callBounds = {
  timeout_ms: z
    .int()
    .min(1)
    .max(limits.toolTimeoutMsMax)
    .describe("From a call to its result, waiting for a worker included.")
    .default(limits.toolTimeoutMsDefault),
  retries: z
    .strictObject({ limit: z.int().min(0).max(limits.retriesMax).default(limits.retriesDefault) })
    .describe("Repeats after transient failures.")
    .prefault({}),
};

const fields = {
  name: remoteToolName.refine((name) => !isToolName(name), "Heddle has a tool of this name; take another"),
  description: z
    .string()
    .min(1)
    .max(limits.toolDescriptionCharsMax)
    .describe("For the model: what it does, when to call it, what comes back."),
  input_schema: inputSchema,
  pool: poolName
    .refine((pool) => pool !== "hosted", "hosted runs Heddle's own agents; name a pool that your workers serve")
    .describe("The pool whose workers carry it out.")
    .exactOptional(),
  url: toolUrl
    .describe("The endpoint that carries it out: https, and no private address, outside local mode.")
    .exactOptional(),
  ...callBounds,
};

const onePlace = ({ pool, url }: { readonly pool?: string; readonly url?: string }) =>
  (pool === undefined) !== (url === undefined);
const inOnePlace: z.core.$ZodCustomParams = {
  error: "give `pool` or `url`, one of the two",
  path: ["pool"],
  when: ({ issues }) => issues.length === 0,
};

export const remoteToolSchema = z.strictObject(fields).refine(onePlace, inOnePlace).meta({ id: "RemoteTool" });

/** What a run keeps of a tool. */
const declaredTool = z
  .strictObject({
    ...fields,
    mcp: z
      .strictObject({
        tool: z.string().min(1).max(limits.nameCharsMax),
        credential: z.string().min(1).max(limits.nameCharsMax).exactOptional(),
        repeats: z.boolean(),
      })
      .exactOptional(),
  })
  .refine(onePlace, inOnePlace);

const namedOnce = ({ value, issues }: z.core.ParsePayload<readonly object[]>): void => {
  const names = new Set<unknown>();
  for (const [i, tool] of value.entries()) {
    if (!("name" in tool)) continue;
    if (names.has(tool.name))
      issues.push({ code: "custom", input: value, path: [i, "name"], message: "used by a tool above" });
    names.add(tool.name);
  }
};
const fits = (tools: unknown) => fitsUtf8(JSON.stringify(tools), limits.remoteToolsBytesMax);
const tooLarge = withProblem("tools_too_large", `at most ${limits.remoteToolsBytesMax} bytes in all`);

/** Tools as a request gives them: `element` says what may stand there. */
export const toolList = <Element extends z.ZodType<object>>(element: Element) =>
  z.array(element).max(limits.remoteToolsMax).check(namedOnce).refine(fits, tooLarge);

/** Tools as a run keeps them. */
export const declaredToolsSchema = toolList(declaredTool);

/** A declared tool; its schema is the text received. */
export type RemoteTool = Omit<RemoteToolView, "input_schema"> & { readonly input_schema: string };

/** A validated declaration, with `text` the JSON text that it was parsed from. */
export const toolWithText = (parsed: z.output<typeof remoteToolSchema>, text: string): RemoteTool => ({
  ...parsed,
  input_schema: rawAt(text, ["input_schema"])!,
});

export const remoteToolView = ({ input_schema, ...tool }: RemoteTool): RemoteToolView => ({
  ...tool,
  input_schema: JSON.parse(input_schema) as Record<string, unknown>,
});

/** Heddle's tools and then these, as JSON text in a vendor's format: what a context without a list of its own gets. */
export function toolsText(format: Format, declared: readonly RemoteTool[]): string {
  const theirs = declared.map(({ name, description, input_schema: schema }) => {
    const named = `"name":${JSON.stringify(name)},"description":${JSON.stringify(description)}`;
    return format === "anthropic"
      ? `{${named},"input_schema":${schema}}`
      : `{"type":"function","function":{${named},"parameters":${schema}}}`;
  });
  return `[${[ownToolsText(format).slice(1, -1), ...theirs].join(",")}]`;
}
