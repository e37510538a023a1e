// `npm run build`, and npm's `prepare`: compiles src/cli and src/client to dist/ and makes the `heddle` command executable.
// Plain JavaScript without dependencies, because it runs right after an install under whatever Node there is. npm prepares the package once
// more with the first `npx heddle`: what is built already stays then, since workers of it may run.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const compiler = `${root}node_modules/typescript/lib/tsc.js`;
const command = `${root}dist/cli/main.js`;
const inputs = ["package.json", "tsconfig.json", "tsconfig.cli.json", "src", "types"];

if (process.env.npm_lifecycle_event === "prepare" && isBuilt()) process.exit(0);

if (!existsSync(compiler)) {
  console.error("build: TypeScript is not installed. Install the development dependencies too: npm ci --include=dev");
  process.exit(1);
}

const startedAt = new Date();
// A file that was renamed must not live on in the package.
rmSync(`${root}dist`, { recursive: true, force: true });
const { status, error } = spawnSync(process.execPath, [compiler, "-p", `${root}tsconfig.cli.json`], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(`build: the compiler did not start: ${error.message}`);
if (error || status !== 0) process.exit(status || 1);
chmodSync(command, 0o755);
// What is written while it compiles is newer.
utimesSync(command, startedAt, startedAt);

function isBuilt() {
  const builtAt = existsSync(command) ? statSync(command).mtimeMs : 0;
  // A folder is as new as the last file that was added to it, renamed or removed.
  const isOlder = (path) => {
    const stat = statSync(path);
    if (stat.mtimeMs >= builtAt) return false;
    return !stat.isDirectory() || readdirSync(path).every((name) => isOlder(join(path, name)));
  };
  return inputs.every((name) => isOlder(join(root, name)));
}
