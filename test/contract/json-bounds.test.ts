import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { overfullJson } from "../../src/contract/json-bounds.ts";
import { batchTasksMax, bodyBytesMax, jsonMembersMax, jsonValuesMax, resultBytesMax } from "../../src/limits.ts";

/** Values but members' own, containers twice; and members: as overfullJson counts them. */
function counted(value: unknown): { values: number; members: number } {
  const total = { values: 0, members: 0 };
  const look = (one: unknown): void => {
    if (typeof one !== "object" || one === null) return;
    total.values++;
    const inside = Object.values(one);
    total.values += Math.max(0, inside.length - 1);
    if (!Array.isArray(one)) total.members += inside.length;
    inside.forEach(look);
  };
  look(value);
  return total;
}

describe("values in a JSON text", () => {
  it("are counted as they stand there, whatever is in its strings", () => {
    // A two-hundred-thousandth of the bounds: two members, and eleven values.
    const times = 2 / jsonMembersMax;
    const [membersMax, valuesMax] = [2, times * jsonValuesMax];
    const text = fc.string({ unit: fc.constantFrom("a", '"', "\\", ",", ":", "[", "{", "}"), maxLength: 6 });
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        text,
        fc.integer(),
        fc.array(tie("value"), { maxLength: 5 }),
        fc.dictionary(text, tie("value"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (given, space) => {
        const { values, members } = counted(given);
        const told = overfullJson(JSON.stringify(given, null, space), times);
        expect(told !== undefined).toBe(values > valuesMax || members > membersMax);
      }),
      { numRuns: 1000 },
    );
  });

  it("may be as many as the largest batch and the largest result have, and no more", () => {
    const after = `"after":[${'"k",'.repeat(batchTasksMax).slice(0, -1)}]`;
    const task = `{"instructions":"x","pool":"box","labels":{"a":"b"},${after}}`;
    expect(overfullJson(`{"tasks":[${`${task},`.repeat(batchTasksMax).slice(0, -1)}]}`)).toBeUndefined();
    expect(overfullJson(`{"result":[${"0,".repeat(resultBytesMax / 2).slice(0, -1)}]}`)).toBeUndefined();
    expect(overfullJson(`{"text":"${'\\",{:['.repeat(bodyBytesMax / 6)}"}`)).toBeUndefined();

    const full = (unit: string) => overfullJson(`{"a":[${unit.repeat(Math.ceil(jsonValuesMax / unit.length) * 4)}`);
    for (const unit of ["1,", "{},", "[],", "[", '"",'])
      expect(full(unit)).toBe(`has more than ${jsonValuesMax} values`);
    const names = Array.from({ length: jsonMembersMax + 1 }, (_, i) => `"${i}":0`).join(",");
    expect(overfullJson(`{${names}}`)).toBe(`has more than ${jsonMembersMax} named values`);
    expect(overfullJson(`"${"x".repeat(bodyBytesMax)}`)).toBeUndefined();
  });
});
