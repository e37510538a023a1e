#!/usr/bin/env node
/** The `heddle` command: picks the subcommand, and turns what it throws into one line and an exit status. */

import { runCli } from "./cli.ts";
import { endWithReaders } from "./readers.ts";

endWithReaders();
process.exitCode = await runCli(process.argv.slice(2));
