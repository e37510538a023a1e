import { describe, expect, test } from "vitest";
import { forkText } from "../../../src/context/fork.ts";
import type { Format } from "../../../src/context/types.ts";
import { readMessages } from "../../../src/local/simulated/conversation.ts";
import { findBlock } from "../../../src/local/simulated/find-block.ts";
import { calling, type Message, results, sim, user } from "./script.ts";

const fork = (taskId: string, instructions: string, rest: { results?: string; context?: string } = {}) =>
  forkText({ taskId, viaCall: true, results: "", instructions, ...rest });

describe.each<Format>(["anthropic", "openai"])("%s", (format) => {
  const find = (messages: readonly Message[], taskId?: string) => findBlock(readMessages(format, messages), taskId);
  const parent = [user(sim("parent")), calling(format, "c1", "c2")];

  test("a fork by call plays its own instructions and not its parent's", () => {
    const forked = [
      ...parent,
      ...results(format, { c1: "carried out by the parent; not your work", c2: fork("T2-x", sim("mine")) }),
    ];
    expect(find(forked, "T2-x")).toEqual({ body: "mine\n", message: forked.length - 1 });
  });

  test("a fork whose instructions hold no block plays none, whatever stands before it", () => {
    const forked = [...parent, ...results(format, { c1: "x", c2: fork("T2-x", "just do it") })];
    expect(find(forked, "T2-x")).toBeUndefined();
  });

  test("a task whose fork text is missing plays nothing", () => {
    expect(find(parent, "T9-x")).toBeUndefined();
    expect(find([user(fork("T1-x", sim("other's")))], "T9-x")).toBeUndefined();
  });

  test("a posted task's fork text is user text", () => {
    expect(find([user("old"), user(fork("T3-x", sim("posted")))], "T3-x")).toEqual({ body: "posted\n", message: 1 });
  });

  test("results of dependencies and the given context are not searched", () => {
    const given = { results: `<result of="a">\n${sim("result")}\n</result>`, context: `see\n${sim("context")}` };
    expect(find([user(fork("T3-x", "no block", given))], "T3-x")).toBeUndefined();
    expect(find([user(fork("T3-x", sim("own"), given))], "T3-x")?.body).toBe("own\n");
  });

  test("a referenced result inside the instructions is not searched", () => {
    const referenced = `${sim("own")}\nuse this: <result of="a.b">\n${sim("result")}\n</result>`;
    expect(find([user(fork("T3-x", referenced))], "T3-x")?.body).toBe("own\n");
    expect(find([user(referenced)])?.body).toBe("own\n");
  });

  test("a later user message wins; tool results and replies never do", () => {
    const mine = user(fork("T3-x", sim("first")));
    const replied = [mine, calling(format, "k1"), ...results(format, { k1: sim("tool result") })];
    expect(find(replied, "T3-x")?.body).toBe("first\n");
    expect(find([...replied, user(sim("posted later"))], "T3-x")).toEqual({
      body: "posted later\n",
      message: replied.length,
    });
  });

  test("of two forks of the same lineage the child's own fork text is the point", () => {
    const child = [
      user(fork("T1-x", sim("root"))),
      calling(format, "k1"),
      ...results(format, { k1: fork("T2-x", sim("child")) }),
    ];
    expect(find(child, "T2-x")?.body).toBe("child\n");
    expect(find(child, "T1-x")?.body).toBe("root\n");
  });

  test("without a task's name every user text counts, and fork texts in tool results", () => {
    expect(find(parent)).toEqual({ body: "parent\n", message: 0 });
    expect(
      find([...parent, ...results(format, { c1: sim("plain result"), c2: fork("T2-x", sim("fork")) })])?.body,
    ).toBe("fork\n");
    expect(find([user(sim("a")), user(`${sim("b")}\n${sim("c")}`)])?.body).toBe("c\n");
    expect(find([user("nothing")])).toBeUndefined();
  });

  test("a longer fence, and a block nested in a string of another", () => {
    expect(find([user(sim("with ``` inside", "````"))])?.body).toBe("with ``` inside\n");
    const nested = { turns: [{ calls: [{ tool: "create_task", arguments: { instructions: sim({ turns: [] }) } }] }] };
    expect(find([user(sim(nested))])?.body).toBe(`${JSON.stringify(nested)}\n`);
  });
});
