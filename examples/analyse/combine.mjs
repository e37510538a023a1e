// Many results become one: sums, and the few that stand out. The rows of all files below travel upwards, so that the root
// can see what only the whole shows (duplicates, cycles).

const topMax = 10;

/** @param parts results of files and of folders below; failures are `{error}` */
export function combine(path, parts) {
  const files = parts.filter((part) => part.value?.kind === "file").map((part) => part.value);
  const folders = parts.filter((part) => part.value?.kind === "folder").map((part) => part.value);
  const failed = parts.filter((part) => part.value?.kind === undefined);
  const sum = (of) => files.reduce((total, file) => total + of(file), 0);
  const add = (of) => folders.reduce((total, folder) => total + of(folder), 0);
  const lines = {};
  for (const kind of ["total", "code", "comment", "blank"])
    lines[kind] = sum((file) => file.lines[kind]) + add((folder) => folder.lines[kind]);
  const result = {
    kind: "folder",
    path,
    files: files.length + add((folder) => folder.files),
    failed: failed.length + add((folder) => folder.failed),
    lines,
    languages: merged(
      files.map((file) => ({ [file.language]: { files: 1, code: file.lines.code, comment: file.lines.comment } })),
      folders.map((folder) => folder.languages),
    ),
    functions: sum((file) => file.functions.count) + add((folder) => folder.functions),
    largest: best(
      [
        ...files.map((file) => ({ path: file.path, lines: file.lines.total })),
        ...folders.flatMap((folder) => folder.largest),
      ],
      "lines",
    ),
    longest_functions: best(
      [
        ...files.flatMap((file) => at(file, file.functions.longest)),
        ...folders.flatMap((folder) => folder.longest_functions),
      ],
      "lines",
    ),
    most_complex: best(
      [
        ...files.flatMap((file) => at(file, file.functions.most_complex)),
        ...folders.flatMap((folder) => folder.most_complex),
      ],
      "complexity",
    ),
    notes: {
      count: sum((file) => file.notes.count) + add((folder) => folder.notes.count),
      first: [
        ...files.flatMap((file) => at(file, file.notes.first)),
        ...folders.flatMap((folder) => folder.notes.first),
      ].slice(0, 2 * topMax),
    },
    secrets: [...files.flatMap((file) => at(file, file.secrets)), ...folders.flatMap((folder) => folder.secrets)].slice(
      0,
      2 * topMax,
    ),
    packages: counted(
      files.flatMap((file) => file.packages),
      folders.map((folder) => folder.packages),
    ),
    rows: [
      ...files.map((file) => [file.path, file.lines.code, file.hash, file.uses]),
      ...folders.flatMap((folder) => folder.rows),
    ],
  };
  return { ...result, sentence: sentence(result) };
}

/** What only the whole shows; the rows have then done their work. */
export function concluded({ rows, ...result }) {
  const whole = { ...result, duplicates: duplicates(rows), most_used: mostUsed(rows), cycles: cycles(rows) };
  const {
    sentence: text,
    files,
    failed,
    lines,
    languages,
    longest_functions,
    most_complex,
    cycles: circles,
    most_used,
  } = whole;
  return {
    ...whole,
    brief: {
      text,
      files,
      failed,
      lines,
      languages,
      longest_functions: longest_functions.slice(0, 5),
      most_complex: most_complex.slice(0, 5),
      cycles: circles,
      most_used,
    },
  };
}

const at = (file, entries) => entries.map((entry) => ({ path: file.path, ...entry }));
const best = (entries, by) => entries.sort((a, b) => b[by] - a[by] || (a.path < b.path ? -1 : 1)).slice(0, topMax);

function merged(...lists) {
  const all = {};
  for (const one of lists.flat()) {
    for (const [name, { files, code, comment }] of Object.entries(one)) {
      all[name] ??= { files: 0, code: 0, comment: 0 };
      const into = all[name];
      into.files += files;
      into.code += code;
      into.comment += comment;
    }
  }
  return Object.fromEntries(Object.entries(all).sort(([, a], [, b]) => b.code - a.code));
}

function counted(names, maps) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const map of maps) for (const [name, n] of Object.entries(map)) counts.set(name, (counts.get(name) ?? 0) + n);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 60));
}

function sentence({ path, files, lines, languages, functions, largest, notes }) {
  const name = path === "." ? "The project" : path;
  if (files === 0) return `${name} has no source files.`;
  const main = Object.keys(languages).slice(0, 2).join(" and ");
  const written = lines.code + lines.comment;
  const share = written === 0 ? 0 : Math.round((100 * lines.comment) / written);
  const parts = [
    `${name} has ${files} ${files === 1 ? "file" : "files"}, mostly ${main}: ${lines.code} lines of code in ${functions} functions, ${share} % comments`,
  ];
  if (files > 1) parts.push(`its largest file is ${largest[0].path} (${largest[0].lines} lines)`);
  if (notes.count > 0) parts.push(`${notes.count} notes of things to do`);
  return `${parts.join("; ")}.`;
}

/** Files with the same bytes; tiny ones are equal by chance. */
function duplicates(rows) {
  const byHash = new Map();
  for (const [path, code, hash] of rows) if (code >= 3) byHash.set(hash, [...(byHash.get(hash) ?? []), path]);
  return [...byHash.values()]
    .filter((paths) => paths.length > 1)
    .map((paths) => paths.sort())
    .slice(0, topMax);
}

function mostUsed(rows) {
  const users = new Map();
  for (const [, , , uses] of rows) for (const path of uses) users.set(path, (users.get(path) ?? 0) + 1);
  return [...users]
    .map(([path, n]) => ({ path, users: n }))
    .sort((a, b) => b.users - a.users || (a.path < b.path ? -1 : 1))
    .slice(0, topMax);
}

/** Groups of files that import one another in a circle: Tarjan's strongly connected components, on a stack of its own. */
function cycles(rows) {
  const uses = new Map(rows.map(([path, , , names]) => [path, names]));
  const index = new Map();
  const low = new Map();
  const stack = [];
  const onStack = new Set();
  const groups = [];
  for (const root of uses.keys()) {
    if (index.has(root)) continue;
    const work = [{ path: root, next: 0 }];
    while (work.length > 0) {
      const top = work[work.length - 1];
      const { path } = top;
      if (top.next === 0) {
        index.set(path, index.size);
        low.set(path, index.get(path));
        stack.push(path);
        onStack.add(path);
      }
      const target = uses.get(path)[top.next++];
      if (target !== undefined) {
        if (!uses.has(target)) continue;
        if (!index.has(target)) work.push({ path: target, next: 0 });
        else if (onStack.has(target)) low.set(path, Math.min(low.get(path), index.get(target)));
        continue;
      }
      work.pop();
      const parent = work[work.length - 1]?.path;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent), low.get(path)));
      if (low.get(path) !== index.get(path)) continue;
      const group = stack.splice(stack.indexOf(path));
      for (const member of group) onStack.delete(member);
      if (group.length > 1) groups.push(group.sort());
    }
  }
  return groups.sort((a, b) => a.length - b.length).slice(0, topMax);
}
