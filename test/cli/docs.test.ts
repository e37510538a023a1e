/** The pages of docs/commands say what the commands say of themselves. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { helpOf } from "../../src/cli/help.ts";

const docs = join(import.meta.dirname, "../../docs/commands");
const index = readFileSync(join(docs, "README.md"), "utf8");
const shown = commands.filter(({ hidden }) => !hidden);

it.each(shown.map((command) => [command.name, command] as const))("heddle %s is in the index", (name) => {
  expect(index).toMatch(new RegExp(`\\| .*\\[${name}\\]\\(${name}\\.md\\)`));
});

it.each(shown.map((command) => [command.name, command] as const))("the page of heddle %s", (name, command) => {
  const page = readFileSync(join(docs, `${name}.md`), "utf8");
  expect(page).toMatch(new RegExp(`^# heddle ${name}\n`));
  for (const flag of Object.keys(command.flags ?? {})) expect(page).toContain(`--${flag}`);
  const reference = /\n````text\n(.*)\n````\n$/s.exec(page)?.[1];
  expect(reference).toBe(helpOf(command).split("\n\nEnvironment:")[0]!.trimEnd());
});
