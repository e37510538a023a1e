/** One fenced block around a whole text is taken off; anything else stays. */

import { describe, expect, it } from "vitest";
import { unfenced } from "../../src/json-schema/unfenced.ts";

describe("a text", () => {
  it.each([
    ["```\n1\n```", "1"],
    ["\n ```json \r\n{\n}\n  ```\n\n", "{\n}"],
    ["```json\n\n```", ""],
    ["```\n```json\n1\n```\n```", "```json\n1\n```"],
  ])("like %j is unfenced", (text, inner) => {
    expect(unfenced(text)).toBe(inner);
  });

  it.each([
    "1",
    "```\n1",
    "1\n```",
    "```\n```",
    "``` 1 ```",
    "```json5\n1\n```",
    "x\n```\n1\n```",
    "```\n1\n```\nx",
    "```\n1\n````",
  ])("like %j stays", (text) => {
    expect(unfenced(text)).toBe(text);
  });

  it("of a mebibyte takes no longer than others", () => {
    const text = `\`\`\`${"\n".repeat(1_000_000)}x`;
    const begun = process.cpuUsage().user;
    expect(unfenced(text)).toBe(text);
    expect(process.cpuUsage(undefined).user - begun).toBeLessThan(2_000_000);
  });
});
