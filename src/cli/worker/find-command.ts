import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { UsageError } from "../usage.ts";

/** @throws UsageError when there is no such command: said once at the start, and not by failing every task of the pool */
export function requireCommand(name: string, env: NodeJS.ProcessEnv = process.env): void {
  if (process.platform === "win32") return; // PATHEXT and shims: spawn knows better
  const found = look(name, env);
  if (found === "executable") return;
  throw new UsageError(
    found === "denied"
      ? `${name} is not executable. Make it so (chmod +x), or name its interpreter: -- node ${name}`
      : `There is no command "${name}"${name.includes("/") ? "" : " on the PATH"}. It runs without a shell; for shell syntax: -- sh -c '…'`,
  );
}

/** Whether starting `name` in `cwd` finds a program there or on the PATH of `env`. */
export const isExecutable = (name: string, env: NodeJS.ProcessEnv, cwd?: string): boolean =>
  look(name, env, cwd) === "executable";

function look(name: string, env: NodeJS.ProcessEnv, cwd = "."): "executable" | "denied" | "missing" {
  const candidates = name.includes("/")
    ? [name]
    : (env.PATH ?? "").split(delimiter).map((folder) => join(folder || ".", name));
  let denied = false;
  for (const candidate of candidates) {
    const path = resolve(cwd, candidate);
    try {
      if (!statSync(path).isFile()) continue;
      accessSync(path, constants.X_OK);
      return "executable";
    } catch (error) {
      denied ||= (error as NodeJS.ErrnoException).code === "EACCES";
    }
  }
  return denied ? "denied" : "missing";
}
