/** `heddle admin tenants delete` asks before it does. */

import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { agreed } from "../../../src/cli/admin/tenants.ts";

it.each([
  ["ten_a\n", true],
  [" ten_a \n", true],
  ["y\n", false],
  ["ten_b\n", false],
  ["\n", false],
  ["", false],
])("takes the answer %j for yes: %s", async (answer, yes) => {
  const input = new PassThrough();
  const output = new PassThrough();
  const asked = agreed({ id: "ten_a", name: "acme" }, { input, output });
  input.end(answer);
  expect(await asked).toBe(yes);
  expect(String(output.read()).trim()).toBe(
    'Delete the tenant ten_a "acme" with all of its runs, keys and credentials for good? Type its id:',
  );
});
