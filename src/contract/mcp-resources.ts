/** Resources over MCP: which address stands for which answer of the API. */

export type McpResource =
  | {
      readonly kind: "run" | "findings" | "timeline" | "tasks";
      readonly run: string;
      readonly query: Readonly<Record<string, string>>;
    }
  | { readonly kind: "task"; readonly run: string; readonly task: string };

interface Template {
  readonly uriTemplate: string;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly mimeType: string;
}

const json = "application/json";
export const timelineType = "text/csv";

export const mcpTemplates: readonly Template[] = [
  {
    uriTemplate: "heddle://runs/{run}",
    name: "run",
    title: "A run",
    description: "Status, tasks per state, seats, tokens, cost, number of findings.",
    mimeType: json,
  },
  {
    uriTemplate: "heddle://runs/{run}/findings{?cursor,limit}",
    name: "findings",
    title: "A run's findings",
    description: "Deadlocks, races, contention, stragglers, failures that nobody saw and more, with evidence.",
    mimeType: json,
  },
  {
    uriTemplate: "heddle://runs/{run}/timeline",
    name: "timeline",
    title: "A run's timeline",
    description: "A row for each task: state, tokens, cost, and what its time went to.",
    mimeType: timelineType,
  },
  {
    uriTemplate: "heddle://runs/{run}/tasks{?state,cursor,limit}",
    name: "tasks",
    title: "A run's tasks",
    description: "With their results, oldest first.",
    mimeType: json,
  },
  {
    uriTemplate: "heddle://runs/{run}/tasks/{task}",
    name: "task",
    title: "A task",
    description: "By id or key: state, result or error, what it waits for, usage, timings.",
    mimeType: json,
  },
];

export const runUri = (run: string): string => `heddle://runs/${run}`;

/** What the address stands for; undefined for one that is none of the templates'. */
export function resourceOf(uri: string): McpResource | undefined {
  const match = /^heddle:\/\/runs\/([^/?#]+)(?:\/(findings|timeline|tasks)(?:\/([^/?#]+))?)?(\?[^#]*)?$/.exec(uri);
  if (!match) return undefined;
  const [, run = "", part, task, search = ""] = match;
  if (task !== undefined) return part === "tasks" && search === "" ? { kind: "task", run, task } : undefined;
  const kind = (part ?? "run") as "run" | "findings" | "timeline" | "tasks";
  const isPaged = kind === "findings" || kind === "tasks";
  if (search !== "" && !isPaged) return undefined;
  return { kind, run, query: Object.fromEntries(new URLSearchParams(search)) };
}
