/** A run file in Markdown: front matter is the run, the text before the first section its context, each section a task. */

import type { ContextSpec } from "../../client/requests.ts";
import { UsageError } from "../usage.ts";
import { bodyOf, sectionsOf } from "./markdown-sections.ts";
import { atLine } from "./places.ts";
import { taskOf } from "./task-section.ts";
import { parseYaml } from "./yaml-text.ts";

export interface MarkdownJob {
  readonly value: Record<string, unknown>;
  /** The line of each task's heading. */
  readonly lines: readonly number[];
}

/** @throws UsageError that names file and line */
export async function readMarkdown(text: string, from: string): Promise<MarkdownJob> {
  const parts = sectionsOf(text);
  if ("unclosed" in parts) {
    const [what, end] = parts.unclosed === "fence" ? ["the block", "```"] : ["the front matter", "---"];
    throw atLine(from, parts.line, `${what} that begins here is never closed; end it with a line ${end}.`);
  }
  const run = await frontMatterOf(parts.frontMatter, from);
  const intro = bodyOf(parts.intro);
  const title = /^# +(\S.*)/m.exec(intro)?.[1]?.trim();
  const tasks = [];
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
    throw new UsageError(
      `${from}: there is nothing to do: each task is a section, "## key: Title".\nSee: heddle help run`,
    );
  const value = {
    ...(title !== undefined && { name: title }),
    ...run,
    ...(intro !== "" && { context: withIntro(run.context as ContextSpec | undefined, intro) }),
    tasks,
  };
  return { value, lines: parts.sections.map(({ line }) => line) };
}

async function frontMatterOf(
  part: { text: string; line: number } | undefined,
  from: string,
): Promise<Record<string, unknown>> {
  if (part === undefined) return {};
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
  return run;
}

const withIntro = (context: ContextSpec = {}, text: string): ContextSpec => ({
  ...context,
  messages: [...(context.messages ?? []), { role: "user", content: text }],
});
