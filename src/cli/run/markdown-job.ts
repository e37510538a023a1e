/** A run file in Markdown: front matter is the run, the text before the first section its context, each section a task. */

import type { ContextSpec } from "../../client/requests.ts";
import { UsageError } from "../usage.ts";
import { bodyOf, sectionsOf } from "./markdown-sections.ts";
import { atLine, type LineOf, type Path } from "./places.ts";
import { taskOf } from "./task-section.ts";
import { parseYaml, type YamlText } from "./yaml-text.ts";

export interface MarkdownJob {
  readonly value: Record<string, unknown>;
  /** The line of a field of the front matter, and for what stands in a section that of its heading. */
  readonly lineOf: LineOf;
}

/** @throws UsageError that names file and line */
export async function readMarkdown(text: string, from: string): Promise<MarkdownJob> {
  const parts = sectionsOf(text);
  if ("unclosed" in parts) {
    const [what, end] = parts.unclosed === "fence" ? ["the block", "```"] : ["the front matter", "---"];
    throw atLine(from, parts.line, `${what} that begins here is never closed; end it with a line ${end}.`);
  }
  const { run, lineOf } = await frontMatterOf(parts.frontMatter, from);
  const intro = bodyOf(parts.intro);
  const title = /^# +(\S.*)/m.exec(intro)?.[1]?.trim();
  const tasks: Awaited<ReturnType<typeof taskOf>>[] = [];
  const seen = new Map<string, number>();
  for (const [i, section] of parts.sections.entries()) {
    const task = await taskOf(section, i + 1, from);
    const other = seen.get(task.key);
    if (other !== undefined)
      throw atLine(
        from,
        section.line,
        `the task of line ${other} has the key "${task.key}" already; give this one another: ## key: Title`,
      );
    seen.set(task.key, section.line);
    tasks.push(task);
  }
  if (tasks.length === 0 && run.root === undefined)
    throw new UsageError(`${from}: there is nothing to do: each task is a section, "## key: Title".`, "run");
  const value = {
    ...(title !== undefined && { name: title }),
    ...run,
    ...(intro !== "" && { context: withIntro(run.context as ContextSpec | undefined, intro) }),
    tasks,
  };
  const lineInSection = ([, i, field]: Path) =>
    field === undefined || Object.hasOwn(tasks[i as number] ?? {}, field)
      ? parts.sections[i as number]?.line
      : undefined;
  return { value, lineOf: (path) => (path[0] === "tasks" ? lineInSection(path) : lineOf(path)) };
}

async function frontMatterOf(
  part: { text: string; line: number } | undefined,
  from: string,
): Promise<{ run: Record<string, unknown>; lineOf: YamlText["lineOf"] }> {
  if (part === undefined) return { run: {}, lineOf: () => undefined };
  const { value, lineOf } = await parseYaml(part.text, from, part.line);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw atLine(from, part.line, 'the front matter has fields, as in "name: my job".');
  const run = value as Record<string, unknown>;
  if ("tasks" in run)
    throw atLine(
      from,
      lineOf(["tasks"]) ?? part.line,
      'tasks are sections here: "## key: Title", with the text below.',
    );
  if (run.context !== undefined && (typeof run.context !== "object" || run.context === null))
    throw atLine(
      from,
      lineOf(["context"]) ?? part.line,
      "context has fields: format, model, system, messages, params.",
    );
  return { run, lineOf };
}

const withIntro = (context: ContextSpec = {}, text: string): ContextSpec => ({
  ...context,
  messages: [...(context.messages ?? []), { role: "user", content: text }],
});
