// `npm run build`, and npm's `prepare`: compiles src/cli and src/client to dist/ and makes the `heddle` command executable.
// Plain JavaScript without dependencies, because it runs right after an install under whatever Node there is.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const compiler = `${root}node_modules/typescript/lib/tsc.js`;

if (!existsSync(compiler)) {
  console.error("build: TypeScript is not installed. Install the development dependencies too: npm ci --include=dev");
  process.exit(1);
}

// A file that was renamed must not live on in the package.
rmSync(`${root}dist`, { recursive: true, force: true });
const { status, error } = spawnSync(process.execPath, [compiler, "-p", `${root}tsconfig.cli.json`], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(`build: the compiler did not start: ${error.message}`);
if (error || status !== 0) process.exit(status || 1);
chmodSync(`${root}dist/cli/main.js`, 0o755);
