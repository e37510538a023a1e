/** A recipe, filled in for one start of the harness. Pure. */

import type { Recipe } from "./recipes.ts";

export interface Filling {
  readonly url: string;
  readonly mcpFile: string;
  readonly extra: readonly string[];
  /** `fork`: a copy of that session; `go_on`: that session itself. */
  readonly session?: { readonly id: string; readonly how: "fork" | "go_on" };
}

/** The address of Heddle's MCP server. */
const mcpUrl = (server: string): string => `${server.replace(/\/+$/, "")}/mcp`;

export function commandLine(recipe: Recipe, { url, mcpFile, extra, session }: Filling): string[] {
  const words = { "{url}": mcpUrl(url), "{mcp_file}": mcpFile, "{session_id}": session?.id ?? "" };
  const ofSession = session === undefined ? [] : ((session.how === "fork" ? recipe.fork : recipe.goOn) ?? []);
  const args = recipe.args.flatMap((arg) => {
    if (arg === "{session}") return ofSession.map((one) => filled(one, words));
    return arg === "{extra}" ? extra : [filled(arg, words)];
  });
  return [recipe.command, ...args];
}

export function environmentOf({ env = {} }: Recipe, url: string, token: string): Record<string, string> {
  const words = { "{url}": mcpUrl(url), "{token}": token };
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value, words)]));
}

/** The text of the file that names the MCP server; undefined where the command line or the environment does. */
export function mcpFileText({ mcpFile }: Recipe, url: string, token: string): string | undefined {
  if (mcpFile === undefined) return undefined;
  const words = { "{url}": mcpUrl(url), "{token}": token };
  return `${JSON.stringify(mcpFile, (_, value) => (typeof value === "string" ? filled(value, words) : value), 2)}\n`;
}

/** Texts of a lease hold no placeholders that count: each is replaced once, from left to right. */
const filled = (text: string, words: Readonly<Record<string, string>>): string =>
  text.replace(/\{[a-z_]+\}/g, (word) => words[word] ?? word);

/** As a person would type it. */
export const shellText = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
