/** Arguments of variable tools: what is taken, and what is refused with which code. */

import { describe, expect, it } from "vitest";
import { parseToolArguments } from "../../src/contract/tools.ts";
import { memoryBytesMax, valueBytesMax } from "../../src/limits.ts";

const parse = (tool: string, args: unknown) => parseToolArguments(tool, JSON.stringify(args));
const call = (tool: string, args: unknown) => {
  const parsed = parse(tool, args);
  if (!parsed.ok) throw new Error(`${parsed.code}: ${parsed.message}`);
  return "variable" in parsed.call ? parsed.call.variable : undefined;
};

describe("variable tools", () => {
  it("take each op with its fields", () => {
    expect(call("atomic", { op: "add", name: "n", delta: 2 })).toEqual({
      kind: "atomic",
      name: "n",
      op: { op: "add", delta: 2 },
    });
    expect(call("atomic", { op: "set", name: "n", value: null })).toMatchObject({ op: { op: "set", value: null } });
    expect(
      call("shared_map", { op: "set", name: "m", key: "k", value: 1, if_version: 0, fence: { lock: "l", token: 3 } }),
    ).toEqual({
      kind: "shared_map",
      name: "m",
      fence: { lock: "l", token: 3 },
      op: { op: "set", key: "k", value: 1, if_version: 0 },
    });
    expect(call("shared_list", { op: "slice", name: "l", start: -2 })).toMatchObject({
      op: { op: "slice", start: -2 },
    });
    expect(call("shared_memory", { op: "edit", name: "t", old: "a", new: "" })).toMatchObject({ op: { new: "" } });
  });

  it.each([
    ["atomic", { op: "increment", name: "n" }, "unknown_op", "compare_and_set"],
    ["atomic", { name: "n" }, "bad_arguments", "op"],
    ["atomic", { op: "get" }, "bad_arguments", "name"],
    ["atomic", { op: "set", name: "n" }, "bad_arguments", "value: required by op set"],
    ["atomic", { op: "get", name: "n", delta: 1 }, "bad_arguments", "delta: op get does not take it"],
    ["atomic", { op: "add", name: "n", delta: "1" }, "bad_arguments", "delta"],
    ["atomic", { op: "get", name: "n", colour: "red" }, "bad_arguments", "colour"],
    ["atomic", { op: "get", name: "" }, "bad_name", ""],
    ["atomic", { op: "get", name: " n" }, "bad_name", "n"],
    ["atomic", { op: "get", name: "a\nb" }, "bad_name", "a"],
    ["atomic", { op: "get", name: "n".repeat(201) }, "bad_name", "n"],
    ["atomic", { op: "set", name: "n", value: "x".repeat(valueBytesMax) }, "value_too_large", "value"],
    [
      "shared_list",
      { op: "append", name: "l", items: ["", "é".repeat(valueBytesMax / 2)] },
      "value_too_large",
      "items[1]",
    ],
    ["shared_list", { op: "append", name: "l", items: [] }, "bad_arguments", "items"],
    ["shared_list", { op: "get", name: "l", index: 1.5 }, "bad_arguments", "index"],
    ["shared_map", { op: "set", name: "m", key: "", value: 1 }, "bad_arguments", "key"],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1, if_version: -1 }, "bad_arguments", "if_version"],
    ["lock", { op: "acquire" }, "bad_arguments", "name"],
    ["lock", { op: "acquire", name: "l", names: ["m"] }, "bad_arguments", "names"],
    ["lock", { op: "acquire", names: ["m", "m"] }, "bad_arguments", "names"],
    ["lock", { op: "acquire", names: ["m", " "] }, "bad_name", "name"],
    ["lock", { op: "acquire", names: ["m"], mode: "shared" }, "bad_arguments", "mode"],
    ["lock", { op: "release", name: "l", timeout_ms: 1 }, "bad_arguments", "timeout_ms"],
    ["lock", { op: "steal", name: "l" }, "unknown_op", "acquire"],
    ["shared_map", { op: "get", name: "m", key: "k", fence: { lock: "l", token: 1 } }, "bad_arguments", "fence"],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1, fence: { lock: "l" } }, "bad_arguments", "fence.token"],
    ["shared_memory", { op: "write", name: "t", text: "x".repeat(memoryBytesMax + 1) }, "value_too_large", "text"],
    ["shared_memory", { op: "edit", name: "t", old: "", new: "x" }, "bad_arguments", "old"],
  ])("refuse %s %j with %s", (tool, args, code, says) => {
    const parsed = parse(tool, args);
    expect(parsed).toMatchObject({ ok: false, code });
    expect((parsed as { message: string }).message).toContain(says);
  });

  it("take numbers as doubles, so that what has to keep its digits is written as text", () => {
    const setTo = (value: string) =>
      parseToolArguments("shared_map", `{"op": "set", "name": "m", "key": "k", "value": ${value}}`);
    expect(setTo("[9007199254740991, 9007199254740993]")).toMatchObject({
      call: { variable: { op: { value: [9007199254740991, 9007199254740992] } } },
    });
    expect(setTo('"9007199254740993"')).toMatchObject({ call: { variable: { op: { value: "9007199254740993" } } } });
  });

  it("refuse what is no JSON", () => {
    expect(parseToolArguments("atomic", '{"op": "set", "value": NaN}')).toMatchObject({ code: "bad_arguments" });
  });
});
