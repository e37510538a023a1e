import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCalls, toolCalls, userMessage } from "../../src/context/calls.ts";
import {
  cutLast,
  findForkText,
  forkByCall,
  forkByMessage,
  forkText,
  otherCallText,
  stripReasoning,
  withCacheMark,
} from "../../src/context/fork.ts";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import type { CacheMark, Format, MessageText } from "../../src/context/types.ts";
import { anyEnding, formats, parsed, transcripts } from "./transcripts.ts";

const open = transcripts(fc.constant("open" as const));
const text = (n: number) => forkText({ taskId: `T${n}-abc234`, viaCall: true, results: "", instructions: `do ${n}` });

/** A block of a transcript, by its position in reading order: message by message, block by block. */
const upToMark = (base: readonly MessageText[], added: readonly MessageText[], mark: CacheMark): string[] => {
  const all = [...base, ...added];
  const last = base.length + mark.message;
  const blocks = (message: MessageText) => {
    const content = rawAt(message, ["content"]) ?? "";
    return content.startsWith("[") ? rawElements(content) : [content];
  };
  const marked = blocks(all[last]!);
  return [...all.slice(0, last), ...marked.slice(0, mark.block < 0 ? marked.length : mark.block + 1)];
};

describe("forkByCall", () => {
  it("forks a reply with several parallel calls, two of them create_task, in Anthropic's format", () => {
    const assistant =
      '{"role":"assistant","content":[{"type":"text","text":"ok"},{"type":"tool_use","id":"a","name":"create_task","input":{"n": 1.0}},{"type":"tool_use","id":"b","name":"read_file","input":{}},{"type":"tool_use","id":"c","name":"create_task","input":{}}]}';
    const { messages, mark } = forkByCall("anthropic", assistant, "a", "you are");
    expect(parsed(messages)).toEqual([
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "b", content: otherCallText },
          { type: "tool_result", tool_use_id: "c", content: otherCallText },
          { type: "tool_result", tool_use_id: "a", content: "you are" },
        ],
      },
    ]);
    expect(mark).toEqual({ message: 0, block: 1 });
    const other = forkByCall("anthropic", assistant, "c", "you are");
    expect(rawElements(rawAt(other.messages[0]!, ["content"])!).map((block) => rawAt(block, ["tool_use_id"]))).toEqual([
      '"a"',
      '"b"',
      '"c"',
    ]);
  });

  it("forks the same in OpenAI's format", () => {
    const assistant = JSON.stringify({
      role: "assistant",
      content: null,
      tool_calls: ["a", "b", "c"].map((id) => ({
        id,
        type: "function",
        function: { name: "create_task", arguments: "{}" },
      })),
    });
    const { messages, mark } = forkByCall("openai", assistant, "b", "you are");
    expect(parsed(messages)).toEqual([
      { role: "tool", tool_call_id: "a", content: otherCallText },
      { role: "tool", tool_call_id: "c", content: otherCallText },
      { role: "tool", tool_call_id: "b", content: "you are" },
    ]);
    expect(mark).toEqual({ message: 1, block: 0 });
  });

  it("marks the assistant message when the own call is the only one", () => {
    const anthropic = '{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"create_task","input":{}}]}';
    const openai =
      '{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"create_task","arguments":"{}"}}]}';
    expect(forkByCall("anthropic", anthropic, "a", "x").mark).toEqual({ message: -1, block: -1 });
    expect(forkByCall("openai", openai, "a", "x").mark).toEqual({ message: -1, block: -1 });
    expect(() => forkByCall("openai", openai, "b", "x")).toThrow("invariant");
  });

  it("property: every call of every open reply forks by the vendor's rules, and the child can find itself", () => {
    fc.assert(
      fc.property(open, ({ format, messages }) => {
        const assistant = messages.at(-1)!;
        for (const call of toolCalls(format, assistant)) {
          const fork = forkByCall(format, assistant, call.id, text(1));
          const child = [...messages, ...fork.messages];
          expect(checkMessages(format, parsed(child))).toEqual([]);
          expect(openCalls(format, child)).toEqual([]);
          const lastBlock =
            format === "openai" ? child.at(-1)! : rawElements(rawAt(child.at(-1)!, ["content"])!).at(-1)!;
          expect(findForkText(JSON.parse(rawAt(lastBlock, ["content"])!) as string)?.taskId).toBe("T1-abc234");
        }
      }),
      { numRuns: 500 },
    );
  });

  it("property: children of one call differ only in their last text, and the mark is their last common block", () => {
    fc.assert(
      fc.property(open, ({ format, messages }) => {
        const assistant = messages.at(-1)!;
        for (const call of toolCalls(format, assistant)) {
          const [a, b] = [text(1), text(2)].map((own) => forkByCall(format, assistant, call.id, own));
          expect(a!.mark).toEqual(b!.mark);
          expect(a!.messages.length).toBe(b!.messages.length);
          expect(a!.messages.join("").replace(JSON.stringify(text(1)), JSON.stringify(text(2)))).toBe(
            b!.messages.join(""),
          );
          const shared = upToMark(messages, a!.messages, a!.mark);
          expect(shared).toEqual(upToMark(messages, b!.messages, b!.mark));
          // The next block is the own answer: nothing common is left out of the cache.
          const rest = [...messages, ...a!.messages].join("").split(otherCallText).length - 1;
          expect(shared.join("").split(otherCallText).length - 1).toBe(rest);
          expect(shared.join("")).not.toContain("T1-abc234");
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("forkByMessage", () => {
  it("property: adds one user message to any transcript that nobody owes an answer, never merged", () => {
    fc.assert(
      fc.property(transcripts(fc.constantFrom("answered" as const, "prompted" as const)), ({ format, messages }) => {
        const context = [userMessage(format, "context"), '{ "role":"user","content":"more" }'];
        for (const extra of [undefined, context]) {
          const fork = forkByMessage(format, text(1), extra);
          expect(fork.messages).toEqual([...(extra ?? []), userMessage(format, text(1))]);
          expect(fork.mark).toEqual({ message: -1, block: -1 });
          expect(checkMessages(format, parsed([...messages, ...fork.messages]))).toEqual([]);
        }
      }),
    );
  });

  it("stands alone on an empty base", () => {
    for (const format of formats)
      expect(checkMessages(format, parsed(forkByMessage(format, text(1)).messages))).toEqual([]);
  });
});

describe("cutLast", () => {
  it("keeps the system text, the first user message and the last turns, whole", () => {
    const u = (content: string) => ({ role: "user", content });
    const a = (content: string) => ({ role: "assistant", content });
    const call = (id: string) => ({
      role: "assistant",
      content: null,
      tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }],
    });
    const tool = (id: string) => ({ role: "tool", tool_call_id: id, content: "r" });
    const all = [
      ...[
        { role: "system", content: "s" },
        { role: "developer", content: "d" },
      ],
      ...[u("1"), a("1")],
      ...[u("2a"), u("2b"), call("x"), tool("x")],
      ...[call("y"), tool("y")],
      u("next"),
    ].map((message) => JSON.stringify(message));
    const cut = (n: number) => cutLast("openai", all, n).map((message) => all.indexOf(message));
    expect(cut(1)).toEqual([0, 1, 2, 8, 9, 10]);
    expect(cut(2)).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9, 10]);
    expect(cut(3)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(cut(4)).toEqual(cut(3));
    expect(() => cut(0)).toThrow("invariant");
  });

  it("counts an open reply as a turn and keeps it", () => {
    const messages = [
      ...['{"role":"user","content":"1"}', '{"role":"assistant","content":"a"}', '{"role":"user","content":"2"}'],
      '{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":{}}]}',
    ];
    expect(cutLast("anthropic", messages, 1)).toEqual([messages[0], messages[2], messages[3]]);
  });

  it("keeps the parts of a reply that was paused together", () => {
    const search = { type: "server_tool_use", id: "s", name: "web_search", input: {} };
    const found = { type: "web_search_tool_result", tool_use_id: "s", content: [] };
    const said = (...content: unknown[]) => JSON.stringify({ role: "assistant", content });
    const [one, two] = ['{"role":"user","content":"1"}', '{"role":"user","content":"2"}'];
    const messages = [one, said(search), said(found, search), said(found, { type: "text", text: "a" }), two];
    expect(cutLast("anthropic", messages, 1)).toEqual(messages);
    const more = [...messages, said({ type: "text", text: "b" }), said(search), said(found)];
    expect(cutLast("anthropic", more, 2)).toEqual([one, two, ...more.slice(5)]);
    expect(cutLast("anthropic", more, 1)).toEqual([one, ...more.slice(6)]);
  });

  it("property: keeps the rules, the newest turns, and every byte of what it keeps", () => {
    fc.assert(
      fc.property(
        transcripts(anyEnding),
        fc.integer({ min: 1, max: 8 }),
        ({ format, messages, turnEnds, ending }, n) => {
          const cut = cutLast(format, messages, n);
          let from = 0;
          for (const message of cut) {
            from = messages.indexOf(message, from) + 1;
            expect(from).toBeGreaterThan(0);
          }
          const kept = n >= turnEnds.length ? messages : messages.slice(turnEnds[turnEnds.length - n - 1]);
          expect(cut.slice(-kept.length)).toEqual(kept);
          const fork =
            ending === "open"
              ? forkByCall(format, cut.at(-1)!, openCalls(format, cut)[0]!.id, text(1))
              : forkByMessage(format, text(1));
          expect(checkMessages(format, parsed([...cut, ...fork.messages]))).toEqual([]);
          expect(cut.length - kept.length).toBeLessThanOrEqual(3);
        },
      ),
      { numRuns: 500 },
    );
  });
});

it("cutLast keeps no results without their calls where a context begins with what the vendor made of an older one", () => {
  const summary = JSON.stringify({
    role: "assistant",
    content: [
      { type: "compaction", content: "so far" },
      { type: "tool_use", id: "a", name: "read", input: {} },
    ],
  });
  const results = JSON.stringify({ role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "x" }] });
  const [next, last] = [userMessage("anthropic", "next"), userMessage("anthropic", "last")];
  const says = '{"role":"assistant","content":"ok"}';
  expect(cutLast("anthropic", [summary, results, next, says, last, says], 1)).toEqual([next, last, says]);
});

const blockTexts = (message: MessageText): string[] => rawElements(rawAt(message, ["content"])!);
const ephemeral = ',"cache_control":{"type":"ephemeral"}';

describe("withCacheMark", () => {
  it("turns a string content into one marked block", () => {
    expect(withCacheMark('{ "role":"user", "content" : "a\\u00e9" }', 0)).toBe(
      '{ "role":"user", "content" : [{"type":"text","text":"a\\u00e9","cache_control":{"type":"ephemeral"}}] }',
    );
  });

  it("marks the block named, the last for -1 or beyond the end", () => {
    const message = '{"content":[{"type":"text","text":"a"} , {"type":"text","text":"b" }],"role":"user"}';
    expect(withCacheMark(message, 0)).toBe(message.replace('"a"}', `"a"${ephemeral}}`));
    for (const block of [1, -1, 7])
      expect(withCacheMark(message, block)).toBe(message.replace('"b" }', `"b" ${ephemeral}}`));
  });

  it("passes the mark to an earlier block where one may not stand, and doubles none", () => {
    const thinking = '{"type":"thinking","thinking":"t","signature":"s"}';
    const redacted = '{"type":"redacted_thinking","data":"d"}';
    const m = (...blocks: string[]) => `{"role":"assistant","content":[${blocks.join(",")}]}`;
    const a = '{"type":"text","text":"a"}';
    const marked = `{"type":"text","text":"a"${ephemeral}}`;
    expect(withCacheMark(m(a, thinking, redacted, '{"type":"text","text":""}'), -1)).toBe(
      m(marked, thinking, redacted, '{"type":"text","text":""}'),
    );
    for (const unchanged of [
      m(marked),
      m(marked, thinking),
      m(thinking),
      m(),
      '{"role":"user","content":""}',
      '{"role":"user"}',
      '{"content":null}',
    ])
      expect(withCacheMark(unchanged, -1)).toBe(unchanged);
    expect(withCacheMark(m('{"cache_control": null,"type":"text","text":"a"}'), -1)).toBe(
      m('{"cache_control":{"type":"ephemeral"},"type":"text","text":"a"}'),
    );
  });

  it("property: changes nothing but the mark", () => {
    fc.assert(
      fc.property(transcripts(anyEnding), fc.integer({ min: -1, max: 3 }), ({ messages }, block) => {
        for (const message of messages) {
          if (!rawAt(message, ["content"])?.startsWith("[")) continue;
          const marked = withCacheMark(message, block);
          expect(marked.replace(ephemeral, "")).toBe(message);
          // Only reasoning with nothing before it leaves no place for the mark.
          const placeable = !(block === 0 && blockTexts(message)[0]!.includes('"thinking"'));
          expect(blockTexts(marked).filter((b) => b.includes("cache_control"))).toHaveLength(placeable ? 1 : 0);
          expect(withCacheMark(marked, block)).toBe(marked);
        }
      }),
    );
  });

  it("property: a fork with its mark keeps the rules", () => {
    fc.assert(
      fc.property(open, (transcript) => {
        if (transcript.format !== "anthropic") return;
        const { messages } = transcript;
        const fork = forkByCall("anthropic", messages.at(-1)!, openCalls("anthropic", messages)[0]!.id, text(1));
        const all = [...messages, ...fork.messages];
        const at = messages.length + fork.mark.message;
        const marked = all.map((message, i) => (i === at ? withCacheMark(message, fork.mark.block) : message));
        expect(checkMessages("anthropic", parsed(marked))).toEqual([]);
        expect(marked.join("").split("cache_control")).toHaveLength(2);
        expect(marked.join("").replace(ephemeral, "")).toBe(all.join(""));
      }),
    );
  });
});

describe("stripReasoning", () => {
  it("takes Anthropic's reasoning blocks out and leaves the rest byte for byte", () => {
    const rest = '{"type":"text", "text":"\\u0041"}';
    const call = '{"type":"tool_use","id":"a","name":"f","input":{"x":1.0}}';
    const thinking = '{"type":"thinking","thinking":"t","signature":"s"}';
    const m = (...blocks: string[]) => `{ "role":"assistant","content":[ ${blocks.join(",")} ]}`;
    expect(stripReasoning("anthropic", m(thinking, rest, thinking, call))).toBe(m(rest, call));
    const untouched = `{"role":"user","content":[ ${thinking} , ${rest} ]}`;
    expect(stripReasoning("anthropic", untouched)).toBe(untouched);
    expect(stripReasoning("anthropic", m(rest, call))).toBe(m(rest, call));
    const only = stripReasoning("anthropic", m(thinking));
    expect(checkMessages("anthropic", [{ role: "user", content: "hi" }, JSON.parse(only)])).toEqual([]);
  });

  it("takes compatible servers' reasoning members out of OpenAI messages", () => {
    expect(
      stripReasoning(
        "openai",
        '{"role":"assistant","reasoning_content":"x", "content":"a", "reasoning_details":[{}],"tool_calls":[{"id":"reasoning"}],"reasoning":null}',
      ),
    ).toBe('{"role":"assistant","content":"a","tool_calls":[{"id":"reasoning"}]}');
    const clean = '{ "role":"assistant" , "content":"a" }';
    expect(stripReasoning("openai", clean)).toBe(clean);
  });

  it("property: keeps the rules and the calls", () => {
    fc.assert(
      fc.property(transcripts(anyEnding), ({ format, messages, ending }) => {
        const stripped = messages.map((message) => stripReasoning(format, message));
        for (const [i, message] of messages.entries())
          expect(toolCalls(format, stripped[i]!)).toEqual(toolCalls(format, message));
        if (ending !== "open") expect(checkMessages(format, parsed(stripped))).toEqual([]);
        expect(stripped.join("")).not.toContain('"thinking"');
      }),
    );
  });
});

describe("prefix stability", () => {
  it("property: no operation of a fork changes a byte of the messages it was given", () => {
    const fork = (format: Format, messages: MessageText[]): MessageText[] =>
      openCalls(format, messages).length > 0
        ? forkByCall(format, messages.at(-1)!, openCalls(format, messages)[0]!.id, text(1)).messages
        : forkByMessage(format, text(1)).messages;
    fc.assert(
      fc.property(transcripts(anyEnding), ({ format, messages }) => {
        const before = messages.join("\n");
        const child = [...messages, ...fork(format, messages)];
        const grandchild = [...child, ...fork(format, child)];
        expect(grandchild.slice(0, messages.length).join("\n")).toBe(before);
        expect(checkMessages(format, parsed(grandchild))).toEqual([]);
        cutLast(format, messages, 1);
        expect(messages.join("\n")).toBe(before);
      }),
    );
  });
});
