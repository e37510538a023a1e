import { expect, it } from "vitest";
import { envFileText } from "../../../scripts/lib/env-file.mjs";
import { ScreenFilter } from "../../../scripts/lib/screen-filter.mjs";

function filtered(...pieces: string[]): { log: string; screen: string } {
  const out = { log: "", screen: "" };
  const filter = new ScreenFilter({
    log: (text: string) => {
      out.log += text;
    },
    show: (text: string) => {
      out.screen += text;
    },
  });
  for (const piece of pieces) filter.write(piece);
  filter.end();
  return out;
}

const warning = "▲ [WARNING] Scheduled Workers are not automatically triggered.\n\n  To trigger one, run curl\n\n";
const error =
  '\u001b[31m✘ \u001b[41;31m[\u001b[41;97mERROR\u001b[0m] Build failed\n\n  src/index.ts:16:7:\n    16 │ import "./nope.ts"\n\n';

it("shows errors with their details, and logs everything", () => {
  const { log, screen } = filtered(
    warning,
    error,
    "a plain line\n",
    "[wrangler:error] boom\n    at f (x.ts:1:1)\n",
    "[wrangler:info] GET / 200\n",
  );
  expect(screen).toBe(
    '✘ [ERROR] Build failed\n\n  src/index.ts:16:7:\n    16 │ import "./nope.ts"\n[wrangler:error] boom\n    at f (x.ts:1:1)\n',
  );
  expect(log.split("\n").filter(Boolean)).toHaveLength(9);
});

it("takes lines in any pieces", () => {
  const whole = filtered(warning + error);
  expect(filtered(...`${warning}${error}`)).toEqual(whole);
});

it("shows an error that repeats itself once", () => {
  expect(filtered(error, error, error).screen).toBe(filtered(error).screen);
});

it("shows an internal error once, though the runtime numbers each of them", () => {
  const numbered = (id: string) =>
    `✘ [ERROR] Error: internal error; reference = ${id}\n\n      at async f (x.ts:1:1)\n`;
  expect(filtered(numbered("tgmo493r"), numbered("2j7dcapt")).screen).toBe(filtered(numbered("tgmo493r")).screen);
});

it("writes variables so that they are read back as they are", () => {
  expect(envFileText({ A: "a b#c", B: "pay $5", C: "it's" })).toBe("A='a b#c'\nB='pay \\$5'\nC=\"it's\"\n");
  expect(envFileText({ A: '- one\n- for "two"' })).toBe("A='- one\n- for \"two\"'\n");
  expect(() => envFileText({ A: "two\rlines" })).toThrow(/value of A/);
});
