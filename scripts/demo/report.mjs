// The demo's report: Markdown from the results of its tasks.

const failuresInReport = 50;
const failuresOnScreen = 10;

/** `root`: the result of the task that added all up; `timing`: `{wallMs, taskMs, speedUp, workers}`. */
export function reportOf({ name, run, tasks, root, overview, summaries, skipped, model, timing }) {
  const parts = [
    `# Report on ${name}`,
    `Made by Heddle in ${seconds(timing.wallMs)}: ${tasks.length} tasks on forks of one context, ${timing.workers}. All of their work together took ${seconds(timing.taskMs)}, so the speed-up is ${timing.speedUp.toFixed(1)}×.`,
    overview ?? "The opening could not be written; see Failures.",
    `*${model}*`,
  ];
  if (root && root.files > 0) parts.push(...measured(root));
  else if (root) parts.push("There are no source files in this folder.");
  if (summaries.length > 0) {
    parts.push("## Folders");
    parts.push(
      summaries.map(({ path, text }) => `- ${code(`${path}/`)}: ${text.replace(/\s*\n\s*/g, " ")}`).join("\n"),
    );
  }
  parts.push("## How it was made", made(run, tasks, timing), notes(skipped));
  const failures = failuresOf(tasks);
  if (failures.length > 0) {
    parts.push(
      "## Failures",
      table(
        ["task", "state", "error"],
        failures
          .slice(0, failuresInReport)
          .map((task) => [cell(task.title ?? task.id), task.state, cell(errorOf(task))]),
      ),
      failures.length > failuresInReport ? `And ${failures.length - failuresInReport} more.` : "",
    );
  }
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** The tasks that did not succeed, for the screen: one line each, the first few; "" when all did. */
export function failureLines(tasks) {
  const failures = failuresOf(tasks);
  const lines = failures.slice(0, failuresOnScreen).map((task) => {
    const error = errorOf(task);
    return line(`${task.title ?? task.id} ${task.state}${error === "" ? "" : `: ${error}`}`);
  });
  if (failures.length > failuresOnScreen) lines.push(`and ${failures.length - failuresOnScreen} more`);
  return lines.map((text) => `  ${text}`).join("\n");
}

const failuresOf = (tasks) => tasks.filter((task) => task.state !== "succeeded");

function measured(root) {
  const { lines, languages } = root;
  const written = lines.code + lines.comment;
  const parts = [
    "## In numbers",
    table(
      ["files", "lines", "code", "comments", "blank", "comment share", "functions"],
      [
        [
          root.files,
          lines.total,
          lines.code,
          lines.comment,
          lines.blank,
          share(lines.comment, written),
          root.functions,
        ],
      ],
    ),
    table(
      ["language", "files", "code", "comment share"],
      Object.entries(languages)
        .slice(0, 15)
        .map(([language, of]) => [language, of.files, of.code, share(of.comment, of.code + of.comment)]),
    ),
    "## Worth a look",
    list(
      "Longest functions",
      root.longest_functions,
      ({ path, name, line, lines: n, complexity }) =>
        `${place(path, line)} ${code(name)}: ${n} lines, complexity ${complexity}`,
    ),
    list(
      "Most complex functions (branches, an estimate)",
      root.most_complex,
      ({ path, name, line, lines: n, complexity }) =>
        `${place(path, line)} ${code(name)}: complexity ${complexity} in ${n} lines`,
    ),
    list("Largest files", root.largest, ({ path, lines: n }) => `${code(path)}: ${n} lines`),
    list(
      "Most used files (a change here reaches far)",
      root.most_used,
      ({ path, users }) => `${code(path)}: imported by ${users} files`,
    ),
    list(
      "Circles of imports",
      root.cycles,
      (paths) => paths.slice(0, 8).map(code).join(" ↔ ") + (paths.length > 8 ? ` and ${paths.length - 8} more` : ""),
    ),
    list("Files with the same content", root.duplicates, (paths) => paths.slice(0, 6).map(code).join(" = ")),
    list(
      `Notes of things to do (${root.notes.count})`,
      root.notes.first,
      ({ path, line, kind, text }) => `${place(path, line)} ${kind}: ${cell(text)}`,
    ),
    list(
      "What may be a secret (check before you publish; most are not)",
      root.secrets,
      ({ path, line, kind, text }) => `${place(path, line)} ${kind}: ${code(text)}`,
    ),
    list(
      "Packages it uses",
      Object.entries(root.packages).slice(0, 25),
      ([name, n]) => `${code(name)} in ${n} ${n === 1 ? "file" : "files"}`,
    ),
  ];
  return parts;
}

function made(run, tasks, timing) {
  const { usage } = run;
  const hosted = tasks.filter((task) => task.pool === "hosted").length;
  return table(
    ["what", "value"],
    [
      ["run", code(run.id)],
      ["tasks", `${tasks.length}: ${tasks.length - hosted} by pull workers, ${hosted} by hosted agents`],
      ["forks of the context", tasks.filter((task) => task.fork.mode !== "none").length],
      ["wall time", seconds(timing.wallMs)],
      ["time of all tasks together", seconds(timing.taskMs)],
      ["speed-up (together ÷ wall)", `${timing.speedUp.toFixed(2)}×`],
      ["attempts", tasks.reduce((sum, task) => sum + task.attempts, 0)],
      [
        "tokens",
        `${usage.tokens} (${usage.input_tokens} in, of which ${usage.cache_read_tokens} from caches; ${usage.output_tokens} out)`,
      ],
    ],
  );
}

function notes({ binary, large, links, odd, left, max }) {
  const passed = [
    [binary, "binary"],
    [large, "over 2 MiB"],
    [links, "symbolic links"],
    [odd, "with control characters in their names"],
  ].filter(([n]) => n > 0);
  const lines = passed.length > 0 ? [`Passed over: ${passed.map(([n, what]) => `${n} ${what}`).join(", ")}.`] : [];
  if (left > 0) lines.push(`Only the first ${max} files were analysed; ${left} more were left out.`);
  return lines.join(" ");
}

/** The table with its rows; nothing when it has none. */
function table(head, rows) {
  if (rows.length === 0) return "";
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const list = (title, entries, line) =>
  entries.length === 0 ? "" : `**${title}**\n\n${entries.map((entry) => `- ${line(entry)}`).join("\n")}`;
const share = (part, whole) => (whole === 0 ? "–" : `${Math.round((100 * part) / whole)} %`);
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const place = (path, line) => code(`${path}:${line}`);
/** Text from files can't break out of its place in the report. */
const code = (text) => `\`${String(text).replace(/[`\r\n]/g, "'")}\``;
const cell = (text) =>
  String(text)
    .replace(/[\r\n]+/g, " ")
    .replace(/([\\|<>`*_[\]])/g, "\\$1")
    .slice(0, 300);
/** Names and errors come from files: one line, without control characters that a terminal would obey. */
const line = (text) => text.replace(/\p{Cc}+/gu, " ").slice(0, 200);
const errorOf = ({ error }) => (error ? `${error.code}: ${error.message}` : "");
