/** What a model's reply means for its task: which calls Heddle carries out, which the seat answers, and whether it ends. */

import type { ToolCall, ToolResult } from "../context/types.ts";
import { isToolName, parseToolArguments, toolNames } from "../contract/tools.ts";
import { toolErrorOf } from "../errors/codes.ts";
import { type AttemptFault, faults } from "../errors/faults.ts";
import type { Ending } from "../objects/seat-rpc.ts";
import { readOutput, repairText, schemaViolation } from "../output-schema.ts";
import type { ModelReply } from "./models/port.ts";

export interface Meaning {
  /** Calls that the scheduler carries out. */
  readonly calls: readonly ToolCall[];
  readonly ending?: Ending;
  /** The ending is what the model wanted, and not what became of its reply. */
  readonly isFinal?: boolean;
  /** Said to the model as a user message in the next turn. */
  readonly repair?: string;
}

const failed = (fault: AttemptFault, message: string): Ending => ({
  kind: "error",
  fault,
  error: { code: fault, message },
});

const repairsMax = faults.output_invalid.retry.times;

/** `repairs`: how often the model was shown what is wrong with its output. `remote`: the tools that the run declares. */
export function meaningOf(
  reply: ModelReply,
  schema: string | undefined,
  repairs: number,
  outputWasCapped: boolean,
  remote: readonly string[],
): Meaning {
  if (reply.stop === "refusal") return { calls: [], ending: failed("refusal", reply.text || faults.refusal.what) };
  if (reply.stop === "output_limit") {
    return {
      calls: [],
      ending: outputWasCapped
        ? failed("max_tokens", "The tokens left of max_tokens did not suffice for the reply.")
        : failed("output_truncated", "The reply was cut at the model's output limit; raise max_tokens in params."),
    };
  }
  const calls = reply.calls.filter(({ name }) => (isToolName(name) && name !== "finish") || remote.includes(name));
  if (reply.calls.length > 0) {
    for (const call of reply.calls) {
      const finish = call.name === "finish" ? finishOf(call, schema, repairs) : undefined;
      if (finish?.ending) return { calls, ending: finish.ending, isFinal: true };
    }
    return { calls };
  }
  if (schema === undefined) return { calls, ending: { kind: "result", result: reply.text }, isFinal: true };
  const output = readOutput(schema, reply.text);
  if (output.ok) return { calls, ending: { kind: "result", result: output.value }, isFinal: true };
  if (repairs >= repairsMax) return { calls, ending: failed("output_invalid", output.violation) };
  return { calls, repair: repairText(output.violation) };
}

/** A `finish` call: an ending, or what to tell the model about it. */
function finishOf(call: ToolCall, schema: string | undefined, repairs: number): { ending?: Ending; error?: string } {
  const parsed = parseToolArguments("finish", call.arguments);
  if (!parsed.ok) return { error: JSON.stringify({ error: toolErrorOf(faults.malformed_call.tool, parsed.message) }) };
  if (parsed.call.tool !== "finish") return {};
  if ("error" in parsed.call) {
    const { error, retryable } = parsed.call;
    return { ending: { kind: "error", fault: "agent_failed", error, retryable } };
  }
  const { result } = parsed.call;
  const violation = schema === undefined ? undefined : schemaViolation(schema, result);
  if (violation === undefined) return { ending: { kind: "result", result } };
  if (repairs >= repairsMax) return { ending: failed("output_invalid", violation) };
  const error = toolErrorOf(faults.output_invalid.tool, repairText(violation));
  return { error: JSON.stringify({ error }) };
}

/** Calls that no scheduler needs to see: tools that nobody has, and a `finish` that is not acceptable. */
export function answerHere(
  call: ToolCall,
  schema: string | undefined,
  repairs: number,
  remote: readonly string[],
): ToolResult | undefined {
  if (call.name === "finish") {
    const { error } = finishOf(call, schema, repairs);
    return error === undefined ? undefined : { id: call.id, text: error, isError: true };
  }
  if (isToolName(call.name) || remote.includes(call.name)) return undefined;
  const name = JSON.stringify(call.name.slice(0, 64));
  const message = `there is no tool ${name} here; there are ${[...toolNames, ...remote].join(", ")}`;
  const error = toolErrorOf(faults.unknown_tool.tool, message);
  return { id: call.id, text: JSON.stringify({ error }), isError: true };
}
