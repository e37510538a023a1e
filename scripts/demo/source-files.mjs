// The text files of a folder, as far as they are somebody's source: nothing generated, nothing binary, nothing behind a link.

import { execFileSync } from "node:child_process";
import { closeSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join, sep } from "node:path";

const skippedFolders = new Set([
  "node_modules",
  "dist",
  "build",
  "out",
  "target",
  "vendor",
  "coverage",
  "__pycache__",
  "venv",
]);
const skippedFiles =
  /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|go\.sum|poetry\.lock|heddle-report\.md)$|\.(min\.js|min\.css|map|log|snap)$/;
const fileBytesMax = 2 * 1024 * 1024;
/** Entries looked at before we stop looking: a home folder or a whole disk is not what is meant. */
const entriesMax = 200_000;

/**
 * `{files: [{path, bytes}], binary, large, links, odd, left}`: paths with "/" relative to `root`, sorted; and how many files were
 * passed over because they are binary, over 2 MiB, symbolic links, named with what no line of text can hold, or beyond `max`.
 */
export function sourceFiles(root, max) {
  const found = { files: [], binary: 0, large: 0, links: 0, odd: 0, left: 0 };
  for (const path of (trackedFiles(root) ?? walk(root)).sort()) {
    if (skippedFiles.test(path) || path.split("/").some((part) => skippedFolders.has(part))) continue;
    // Control characters, and what stands for bytes that are no UTF-8: instructions name a file in one line.
    if (/[\p{Cc}\ufffd]/u.test(path)) {
      found.odd++;
      continue;
    }
    const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isSymbolicLink()) found.links++;
    else if (!stat.isFile()) continue;
    else if (stat.size > fileBytesMax) found.large++;
    else if (found.files.length === max) found.left++;
    else if (isBinary(join(root, path))) found.binary++;
    else found.files.push({ path, bytes: stat.size });
  }
  return found;
}

/** What git knows and does not ignore; undefined where there is no git or no repository. */
function trackedFiles(root) {
  try {
    const options = { encoding: "utf8", maxBuffer: 256 * 1024 * 1024, stdio: ["ignore", "pipe", "ignore"] };
    const text = execFileSync(
      "git",
      ["-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
      options,
    );
    const paths = [...new Set(text.split("\0").filter((path) => path !== ""))];
    // A folder that its own repository ignores is still what the user named.
    return paths.length > 0 ? paths : undefined;
  } catch {
    return undefined;
  }
}

function walk(root) {
  const paths = [];
  const folders = [""];
  for (let entries = 0; folders.length > 0; ) {
    const folder = folders.pop();
    let names;
    try {
      names = readdirSync(join(root, folder), { withFileTypes: true });
    } catch {
      continue; // not ours to read
    }
    for (const entry of names) {
      if (++entries > entriesMax) return paths;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !entry.name.startsWith(".") && !skippedFolders.has(entry.name)) folders.push(path);
      else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path.split(sep).join("/"));
    }
  }
  return paths;
}

/** A zero byte near the beginning, as git decides it. */
function isBinary(path) {
  const head = Buffer.alloc(8000);
  let file;
  try {
    file = openSync(path, "r");
    return head.subarray(0, readSync(file, head, 0, head.length, 0)).includes(0);
  } catch {
    return true;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
