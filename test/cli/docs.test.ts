/** The pages of docs/commands say what the commands say of themselves. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { helpOf } from "../../src/cli/help.ts";

const docs = join(import.meta.dirname, "../../docs/commands");
const index = readFileSync(join(docs, "README.md"), "utf8");
const shown = commands.filter(({ hidden }) => !hidden);

it.each(shown.map((command) => [command.name, command] as const))("heddle %s is in the index", (name) => {
  expect(index).toMatch(new RegExp(`\\| .*(\\[${name}\\]\\(${name}\\.md\\)|\`${name}\`)`));
});

const paged = shown.filter(({ name }) => existsSync(join(docs, `${name}.md`)));

it("all have a page, but for one that the README has a section on", () => {
  const missing = shown.filter((command) => !paged.includes(command)).map(({ name }) => name);
  expect(missing.filter((name) => name !== "work")).toEqual([]);
});

it.each(paged.map((command) => [command.name, command] as const))("the page of heddle %s", (name, command) => {
  const page = readFileSync(join(docs, `${name}.md`), "utf8");
  expect(page).toMatch(new RegExp(`^# heddle ${name}\n`));
  for (const flag of Object.keys(command.flags ?? {})) expect(page).toContain(`--${flag}`);
  const reference = /\n````text\n(.*)\n````\n$/s.exec(page)?.[1];
  // What is shown of the help is the help.
  if (reference !== undefined) expect(reference).toBe(helpOf(command).split("\n\nEnvironment:")[0]!.trimEnd());
});
