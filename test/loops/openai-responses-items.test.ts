import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkMessages } from "../../src/context/message-rules.ts";
import { messagesOf, openCalls, type ResponsesItem, throughReply } from "../../src/loops/openai-responses-items.ts";

const items = (...all: object[]) => all as unknown as ResponsesItem[];
const user = (content: unknown) => ({ role: "user", content });
const said = (...texts: string[]) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: texts.map((text) => ({ type: "output_text", text, annotations: [] })),
});
const call = (call_id: string, name = "t", args = "{}") => ({
  id: `fc_${call_id}`,
  type: "function_call",
  call_id,
  name,
  arguments: args,
  status: "completed",
});
const result = (call_id: string, output: unknown = `of ${call_id}`) => ({
  type: "function_call_output",
  call_id,
  output,
});
const reasoning = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "x" };
const called = (id: string, name = "t", args = "{}") => ({ id, type: "function", function: { name, arguments: args } });
const told = (tool_call_id: string, content = `of ${tool_call_id}`) => ({ role: "tool", tool_call_id, content });

describe("items as messages", () => {
  test("[I1] a reply is one message: its texts, then its calls; reasoning stays behind", () => {
    const reply = [
      reasoning,
      said("First.", "Then."),
      reasoning,
      call("a", "read", '{"p": 1}'),
      said("So."),
      call("b"),
    ];
    expect(messagesOf(items(user("go"), ...reply))).toEqual([
      user("go"),
      {
        role: "assistant",
        content: "First.\n\nThen.\n\nSo.",
        tool_calls: [called("a", "read", '{"p": 1}'), called("b")],
      },
    ]);
    expect(messagesOf(items(user("go"), reasoning))).toEqual([user("go")]);
    const refusal = { ...said(), content: [{ type: "refusal", refusal: "No." }] };
    expect(messagesOf(items(user("go"), refusal))).toEqual([
      user("go"),
      { role: "assistant", content: null, refusal: "No." },
    ]);
  });

  test("[I2] results stand behind their calls, in the order of the calls, also when they come late", () => {
    const all = items(user("go"), call("a"), call("b"), user("meanwhile"), result("b"), result("a"), said("Done."));
    expect(messagesOf(all)).toEqual([
      user("go"),
      { role: "assistant", content: null, tool_calls: [called("a"), called("b")] },
      told("a"),
      told("b"),
      user("meanwhile"),
      { role: "assistant", content: "Done." },
    ]);
  });

  test("[I2] an id that is used again belongs to the call before the result", () => {
    const all = items(user("go"), call("a"), result("a", "one"), call("a"), result("a", "two"));
    expect(messagesOf(all).map(({ content }) => content)).toEqual(["go", null, "one", null, "two"]);
  });

  test("[I3] the last reply's calls stay open; one before it has a result, if only that there is none", () => {
    const all = items(user("go"), call("a"), user("well?"), call("b"), call("c"), result("c"));
    expect(messagesOf(all)).toEqual([
      user("go"),
      { role: "assistant", content: null, tool_calls: [called("a")] },
      told("a", "[no result yet]"),
      user("well?"),
      { role: "assistant", content: null, tool_calls: [called("b"), called("c")] },
      told("c"),
    ]);
  });

  test("[I4] parts of a person's message are those of chat completions, and others are said", () => {
    const parts = [
      { type: "input_text", text: "look", prompt_cache_breakpoint: {} },
      { type: "input_image", image_url: "https://x.test/a.png", detail: "original" },
      { type: "input_image", file_id: "file-1", detail: "auto" },
      { type: "input_file", file_id: "file-2" },
      { type: "input_file", file_data: "data:text/plain;base64,eA==", filename: "x.txt" },
      { type: "input_file", file_url: "https://x.test/b.pdf", filename: "b.pdf" },
    ];
    const [message] = messagesOf(items(user(parts)));
    expect(message).toEqual(
      user([
        { type: "text", text: "look" },
        { type: "image_url", image_url: { url: "https://x.test/a.png", detail: "high" } },
        { type: "text", text: "[an image that did not come along]" },
        { type: "file", file: { file_id: "file-2" } },
        { type: "file", file: { file_data: "data:text/plain;base64,eA==", filename: "x.txt" } },
        { type: "text", text: "[a file (b.pdf) that did not come along]" },
      ]),
    );
    expect(checkMessages("openai", [message])).toEqual([]);
  });

  test("[I4] what the provider ran is said, and tools of the vendor that the caller runs are calls as any", () => {
    const all = items(
      user("go"),
      { id: "ws_1", type: "web_search_call", status: "completed" },
      { type: "shell_call", call_id: "s", status: "completed", action: { commands: ["ls"] } },
      { type: "custom_tool_call", call_id: "c", name: "sql", input: "select 1" },
      { type: "shell_call_output", call_id: "s", output: [{ stdout: "a", stderr: "", outcome: { type: "exit" } }] },
      { type: "custom_tool_call_output", call_id: "c", output: [{ type: "input_image", image_url: "data:" }] },
      { id: "l", type: "local_shell_call", call_id: "l", action: { command: ["ls"] } },
      { id: "l", type: "local_shell_call_output", output: "{}" },
      { id: "ts_1", type: "tool_search_call", execution: "server", arguments: {} },
      { id: "ts_2", type: "tool_search_output", execution: "server", tools: [] },
      { type: "apply_patch_call", call_id: "p", operation: { type: "delete_file", path: "x" } },
      { type: "apply_patch_call_output", call_id: "p", status: "completed" },
      { type: "compaction", encrypted_content: "x" },
    );
    const messages = messagesOf(all);
    expect(messages).toEqual([
      user("go"),
      {
        role: "assistant",
        content: "[the provider ran web_search]",
        tool_calls: [
          called("s", "shell", '{"action":{"commands":["ls"]}}'),
          { id: "c", type: "custom", custom: { name: "sql", input: "select 1" } },
        ],
      },
      told("s", '{"stdout":"a","stderr":"","outcome":{"type":"exit"}}'),
      told("c", "[an image that did not come along]"),
      { role: "assistant", content: null, tool_calls: [called("l", "local_shell", '{"action":{"command":["ls"]}}')] },
      told("l", "{}"),
      {
        role: "assistant",
        content: "[the provider ran tool_search]",
        tool_calls: [called("p", "apply_patch", '{"operation":{"type":"delete_file","path":"x"}}')],
      },
      told("p", "completed"),
      { role: "assistant", content: "[a note of what was said before, which the provider alone can read]" },
    ]);
    expect(checkMessages("openai", messages)).toEqual([]);
  });

  test("[I4] an id longer than chat completions take is cut, for the call and its result", () => {
    const id = `call_${"x".repeat(40)}${"0123456789".repeat(2)}`;
    const messages = messagesOf(items(user("go"), call(id), result(id, "r")));
    expect(messages[2]).toEqual(told(id.slice(-40), "r"));
    expect(checkMessages("openai", messages)).toEqual([]);
  });

  test("what only the provider can look up is refused, with what to do", () => {
    expect(() => messagesOf(items({ type: "item_reference", id: "msg_9" }))).toThrow("msg_9 is: give the item itself");
    expect(() => messagesOf(items({ id: "msg_9" }))).toThrow("give the item itself");
  });

  test("a conversation of which only the end is given is refused, but for one that was made shorter", () => {
    expect(() => messagesOf(items(result("a")))).toThrow("the call a and no such call before it: give the whole");
    expect(() => messagesOf(items(user("go"), call("a"), result("a"), result("a")))).toThrow("no such call before it");
    expect(() => messagesOf(items(reasoning, said("x"), call("a")))).toThrow(
      "begin with a reply that makes calls: give",
    );
    expect(messagesOf(items(said("Hello."), user("go"), call("a")))).toHaveLength(3);
    expect(messagesOf(items({ type: "compaction", encrypted_content: "x" }, call("a")))).toHaveLength(1);
  });

  test("open calls are found, and the conversation up to their reply, whatever stands behind", () => {
    const all = items(user("go"), call("a"), result("a"), reasoning, call("b"), reasoning, call("c"));
    const idsOf = (those: ResponsesItem[]) => openCalls(those).map(({ call_id }) => call_id);
    expect(idsOf(all)).toEqual(["b", "c"]);
    expect(idsOf(items(...all, result("c")))).toEqual(["b"]);
    expect(idsOf(items(...all, user("x")))).toEqual([]);
    expect(throughReply(items(...all, result("b"), user("x")), "b")).toEqual(all);
    expect(() => throughReply(all, "z")).toThrow("no item makes the call z: push the reply's output onto the items");
  });

  test("a reply is not parted where the provider ran a shell in it", () => {
    const ran = [
      { type: "shell_call", call_id: "s", action: {}, environment: { type: "container_reference", container_id: "c" } },
      { type: "shell_call_output", call_id: "s", output: [] },
    ];
    const all = items(user("go"), call("a"), ...ran, said("So."));
    expect(openCalls(all).map(({ call_id }) => call_id)).toEqual(["a"]);
    expect(messagesOf(throughReply(all, "a"))).toEqual([
      user("go"),
      { role: "assistant", content: "[the provider ran shell]\n\nSo.", tool_calls: [called("a")] },
    ]);
  });
});

interface Exchange {
  readonly texts: readonly string[];
  readonly calls: number;
  /** Whether something is said before the results come. */
  readonly late: boolean;
  readonly order: readonly number[];
}

const exchanges: fc.Arbitrary<Exchange[]> = fc.array(
  fc.record({
    texts: fc.array(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 2 }),
    calls: fc.nat({ max: 4 }),
    late: fc.boolean(),
    order: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 6 },
);

/** The items of each step: what was asked, the reply, the results in any order. */
const stepsOf = (all: readonly Exchange[]) =>
  all.map(({ texts, calls, late, order }, i) => {
    const ids = Array.from({ length: calls }, (_, at) => `${i}.${at}`);
    const shuffled = ids.toSorted((a, b) => order[Number(a.at(-1))]! - order[Number(b.at(-1))]!);
    return {
      texts,
      ids,
      asked: [user(`ask ${i}`)],
      reply: [reasoning, ...texts.map((text) => said(text)), ...ids.map((id) => call(id))],
      after: [...(late ? [user(`late ${i}`)] : []), ...shuffled.map((id) => result(id))],
    };
  });

describe("of any conversation", () => {
  test("[I1][I2] its messages keep the vendor's rules, and nothing is lost or doubled", () => {
    fc.assert(
      fc.property(exchanges, (all) => {
        const steps = stepsOf(all);
        const messages = messagesOf(
          items(...steps.flatMap(({ asked, reply, after }) => [...asked, ...reply, ...after])),
        );
        expect(checkMessages("openai", messages)).toEqual([]);
        const replies = steps.filter(({ texts, ids }) => texts.length + ids.length > 0);
        const assistants = messages.filter(({ role }) => role === "assistant");
        expect(assistants.map(({ content }) => content)).toEqual(
          replies.map(({ texts }) => texts.join("\n\n") || null),
        );
        const results = messages.filter(({ role }) => role === "tool");
        expect(results.map(({ content }) => content)).toEqual(steps.flatMap(({ ids }) => ids.map((id) => `of ${id}`)));
        const people = all.flatMap(({ late }, i) => (late ? [`ask ${i}`, `late ${i}`] : [`ask ${i}`]));
        expect(messages.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(people);
      }),
    );
  });

  test("[I3][I5] what a reply's forks begin with is the beginning of all that follows", () => {
    fc.assert(
      fc.property(exchanges, (all) => {
        const steps = stepsOf(all);
        const whole = steps.flatMap(({ asked, reply, after }) => [...asked, ...reply, ...after]);
        const messages = messagesOf(items(...whole));
        for (const { ids } of steps.filter((step) => step.ids.length > 0)) {
          const upTo = ids.map((id) => messagesOf(throughReply(items(...whole), id)));
          for (const conversation of upTo) {
            expect(conversation).toEqual(messages.slice(0, conversation.length));
            expect(conversation.at(-1)).toMatchObject({ tool_calls: ids.map((id) => ({ id })) });
          }
        }
      }),
    );
  });
});
