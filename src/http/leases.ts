/** The pull protocol: workers lease tasks, and report about them with the lease as their only authority. */

import { RawJson } from "../context/json-text.ts";
import { completeBody, failBody, leasesBody, renewBody, turnBody } from "../contract/lease-requests.ts";
import { toolOutcome } from "../contract/responses.ts";
import type { Grant } from "../contract/shapes.ts";
import { leaseToolBody } from "../contract/task-requests.ts";
import { messageTexts } from "../contract/task-texts.ts";
import { parseToolArguments } from "../contract/tools.ts";
import { completed, failed, leasesView, renewed, turnLogged } from "../contract/worker-responses.ts";
import { toolErrorOf } from "../errors/codes.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import { faults } from "../errors/faults.ts";
import { readOutput, repairText, schemaViolation } from "../output-schema.ts";
import type { HttpEnv } from "./env.ts";
import { whileHeard } from "./hang-up.ts";
import { signLease } from "./lease-token.ts";
import { ask, gateObject } from "./objects.ts";
import { pullPool } from "./pools.ts";
import { toolCallInput } from "./raw-parts.ts";
import { keyRoute, leaseRoute } from "./route.ts";
import { deploymentSecret } from "./secrets.ts";
import { requireTool } from "./tool-calls.ts";

export const leaseRoutes = [
  keyRoute(
    ["workers"],
    {
      method: "POST",
      path: "/v1/pools/:pool/leases",
      summary: "Lease ready tasks of a pool, or calls of tools that its workers carry out",
      body: leasesBody,
      answer: { status: 200, schema: leasesView },
      problems: ["pool_not_allowed"],
    },
    async ({ request, later, env, tenant, params, body, idem }) => {
      const pool = pullPool(params.pool);
      const { worker, max, wait_ms: waitMs, load, kinds, tools } = body;
      const gate = () => gateObject(env, tenant);
      if (body.supersedes !== undefined) await gate().leave(body.supersedes);
      const poll = idem?.key ?? crypto.randomUUID();
      const input = { tenant, pool, poll, worker, max, waitMs, kinds, ...(load && { load }), ...(tools && { tools }) };
      const grants = await whileHeard(
        { request, later },
        () => ask(gate().lease(input, idem)),
        () => gate().leave(poll),
      );
      return { leases: await Promise.all(grants.map((grant) => leaseOf(env, tenant, grant))) };
    },
  ),

  leaseRoute(
    {
      method: "POST",
      path: "/v1/leases/:lease/renew",
      anew: true,
      summary: "Keep a lease, and say how far its task or tool call is",
      body: renewBody,
      answer: { status: 200, schema: renewed },
    },
    ({ holder, body: { progress } }) => {
      const ofTasks = progress && (["turns", "usage"] as const).find((name) => progress[name] !== undefined);
      if (ofTasks && holder.lease.call !== undefined) throw onlyOfTasks(`progress.${ofTasks}`);
      return holder.ask(holder.object.renew(holder.lease, progress));
    },
  ),

  leaseRoute(
    {
      method: "POST",
      path: "/v1/leases/:lease/turn",
      summary: "Log a turn: a resumed attempt goes on from it",
      body: turnBody,
      answer: { status: 200, schema: turnLogged },
      problems: ["context_too_large", "lease_of_tool_call", "max_tokens"],
    },
    async ({ holder, body, text, idem }) => {
      const turn = { messages: messageTexts(text, "messages"), ...(body.usage && { usage: body.usage }) };
      const { snapshot, messages, tokensLeft } = await holder.ask(holder.object.turn(holder.lease, turn, idem));
      return {
        snapshot,
        ...(messages && { messages: rawList(messages) }),
        ...(tokensLeft !== undefined && { tokens_left: tokensLeft }),
      };
    },
  ),

  leaseRoute(
    {
      method: "POST",
      path: "/v1/leases/:lease/tools/:tool",
      summary: "Carry out a tool call of the leased task",
      body: leaseToolBody,
      answer: { status: 200, schema: toolOutcome },
      problems: [
        "not_found",
        "open_calls",
        "unknown_snapshot",
        "not_available",
        "context_too_large",
        "lease_of_tool_call",
      ],
    },
    async ({ holder, params, body, text, idem }) => {
      requireTool(params.tool);
      const input = toolCallInput(params.tool, body, text);
      // What is not found here is the tool: a run that is gone answers `lease_lost` itself.
      const carriedOut = (how: object) => ask(holder.object.leaseTool(holder.lease, { ...input, ...how }, idem));
      const result = input.tool === "finish" ? resultIn(input.arguments) : undefined;
      const first = await carriedOut(result ? { schemaFirst: true } : {});
      if (!result || !("schema" in first)) return first;
      return refusedFinish(first.schema, result.value) ?? carriedOut({});
    },
  ),

  leaseRoute(
    {
      method: "POST",
      path: "/v1/leases/:lease/complete",
      summary: "The task succeeded, or the tool call has its result; with `next`, lease another in the same call",
      body: completeBody,
      answer: { status: 200, schema: completed },
      problems: ["result_too_large"],
    },
    async ({ env, holder, body: { result, is_error: isError, usage, next, worker = "" }, idem }) => {
      if (isError !== undefined && holder.lease.call === undefined) throw onlyOfCalls("is_error");
      const input = { result, ...(isError !== undefined && { isError }), ...(usage && { usage }), next, worker };
      const complete = (how: object) => holder.ask(holder.object.complete(holder.lease, { ...input, ...how }, idem));
      const first = await complete({ schemaFirst: true });
      const { schema } = first;
      const { lease } = schema === undefined ? first : await complete({ result: matching(schema, result) });
      return lease ? { lease: await leaseOf(env, holder.claim.tenant, lease) } : {};
    },
  ),

  leaseRoute(
    {
      method: "POST",
      path: "/v1/leases/:lease/fail",
      summary: "The attempt of a task, or of a tool call, failed",
      body: failBody,
      answer: { status: 200, schema: failed },
    },
    ({ holder, body, idem }) => holder.ask(holder.object.fail(holder.lease, body, idem)),
  ),
];

/** Here and not in the run's object, which has other work. @throws Fault validation_failed */
function matching(schema: string, result: unknown): unknown {
  const violation = schemaViolation(schema, result);
  if (violation === undefined) return result;
  // A program's output is a text.
  const read = typeof result === "string" ? readOutput(schema, result) : undefined;
  if (read?.ok) return read.value;
  throw Fault.of(fieldFault("result", `it does not match output_schema: ${violation}`));
}

/** The result that these arguments of `finish` give, if they are fit for it and give one. */
function resultIn(args: string): { readonly value: unknown } | undefined {
  const parsed = parseToolArguments("finish", args);
  return parsed.ok && "result" in parsed.call ? { value: parsed.call.result } : undefined;
}

/** What an agent is told whose result does not match; undefined: it may finish so. */
function refusedFinish(schema: string, result: unknown): object | undefined {
  const violation = schemaViolation(schema, result);
  return violation === undefined
    ? undefined
    : { error: toolErrorOf(faults.output_invalid.tool, repairText(violation)) };
}

const onlyOfCalls = (path: string): Fault =>
  new Fault("validation_failed", "the lease is a task's", [{ path, message: "only a tool call's lease has it" }]);

const onlyOfTasks = (path: string): Fault =>
  new Fault("validation_failed", "the lease is a tool call's", [{ path, message: "only a task's lease has it" }]);

/** A grant as workers see it: named by its signed capability, with its context's or arguments' text untouched. */
async function leaseOf(env: HttpEnv, tenant: string, grant: Grant): Promise<Record<string, unknown>> {
  if ("call" in grant) {
    const { run, taskNumber, fence, call, expires_at, toolCall, argumentsText } = grant;
    const { id, tool, ...rest } = toolCall;
    return {
      id: await signLease(deploymentSecret(env), { tenant, run, taskNumber, fence, call }),
      expires_at,
      tool_call: { id, tool, arguments: new RawJson(argumentsText), ...rest },
    };
  }
  const { run, taskNumber, fence, expires_at, task, contextText, messages, snapshot, tokensLeft } = grant;
  return {
    id: await signLease(deploymentSecret(env), { tenant, run, taskNumber, fence }),
    expires_at,
    run,
    snapshot,
    task,
    ...(messages.length > 0 && { messages: rawList(messages) }),
    ...(tokensLeft !== undefined && { tokens_left: tokensLeft }),
    context: contextText === null ? null : new RawJson(contextText),
  };
}

const rawList = (messages: readonly string[]): RawJson => new RawJson(`[${messages.join(",")}]`);
