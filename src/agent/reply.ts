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

/** For a model that ended its turn without a word, as some do after the results of their calls: they said all they had to before. */
export const sayResultText =
  "Your reply was empty. Is your work done? Then answer with its result: only the text of your last reply is passed on, nothing of what you said before. Else go on with it.";

interface Asked {
  /** JSON text. */
  readonly schema: string | undefined;
  /** How often the model was shown what is wrong with its output. */
  readonly repairs: number;
  /** The request showed it that its reply before was empty. */
  readonly wasEmpty: boolean;
  readonly outputWasCapped: boolean;
  /** The tools that the run declares. */
  readonly remote: readonly string[];
}

export function meaningOf(
  reply: Pick<ModelReply, "stop" | "text" | "calls">,
  { schema, repairs, wasEmpty, outputWasCapped, remote }: Asked,
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
  if (reply.stop === "paused") return { calls: [] };
  const calls = reply.calls.filter(({ name }) => (isToolName(name) && name !== "finish") || remote.includes(name));
  if (reply.calls.length > 0) {
    for (const call of reply.calls) {
      const finish = call.name === "finish" ? finishOf(call, schema, repairs) : undefined;
      if (finish?.ending) return { calls, ending: finish.ending, isFinal: true };
    }
    return { calls };
  }
  if (schema === undefined) {
    // Whoever has nothing to say when asked has nothing to say.
    if (reply.text === "" && !wasEmpty) return { calls, repair: sayResultText };
    return { calls, ending: { kind: "result", result: reply.text }, isFinal: true };
  }
  const output = readOutput(schema, reply.text);
  if (output.ok) return { calls, ending: { kind: "result", result: output.value }, isFinal: true };
  if (repairs >= repairsMax) return { calls, ending: failed("output_invalid", output.violation) };
  return { calls, repair: repairText(output.violation) };
}

/** What the model is told about a reply without calls that is no result; undefined: it is one. */
export function repairOf(text: string, schema: string | undefined): string | undefined {
  if (schema === undefined) return text === "" ? sayResultText : undefined;
  const output = readOutput(schema, text);
  return output.ok ? undefined : repairText(output.violation);
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
