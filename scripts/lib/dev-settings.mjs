// What `npm run dev` was asked for: its flags, and the environment where there is none.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { StopError } from "./stop-error.mjs";
import { projectRoot } from "./wrangler.mjs";

export const devHelp = `npm run dev [-- --port N] [--state FOLDER]

Runs the whole of Heddle on this machine, without an account, a key or a network, until Ctrl-C.

  --port N         its port; PORT, or 8787
  --state FOLDER   where it keeps its state; HEDDLE_STATE, or .heddle/ in this repository
  --help

Everything else is set in the environment (ANTHROPIC_API_KEY, HEDDLE_RULES, …): docs/local-mode.md.
`;

/** Undefined: help is asked for. @throws StopError for what can't be meant */
export function devSettings(argv, env) {
  const { values } = parsed(argv);
  if (values.help) return undefined;
  const [name, port] = values.port === undefined ? ["PORT", env.PORT] : ["--port", values.port];
  // A folder of the command line is the caller's own; npm starts scripts in the repository.
  const state = values.state === undefined ? env.HEDDLE_STATE : resolve(env.INIT_CWD || ".", values.state);
  return {
    port: portOf(name, port),
    state: state ? resolve(state) : resolve(projectRoot, ".heddle"),
    config: env.HEDDLE_CONFIG || undefined,
  };
}

function parsed(argv) {
  const text = { type: "string" };
  try {
    return parseArgs({ args: argv, options: { port: text, state: text, help: { type: "boolean", short: "h" } } });
  } catch (error) {
    throw new StopError(`${error.message}\nnpm run dev -- --help says what it takes.`);
  }
}

function portOf(name, text) {
  if (text === undefined || text === "") return 8787;
  if (/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536) return Number(text);
  throw new StopError(`${name} is "${text}"; it must be a number from 1 to 65535.`);
}
