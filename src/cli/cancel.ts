import { reach } from "./connection.ts";
import { exitStatus } from "./exit-status.ts";
import { readArguments, seeHelp, UsageError } from "./usage.ts";

/** `heddle cancel RUN` */
export async function cancel(argv: readonly string[]): Promise<number> {
  const { flags, words } = readArguments("cancel", argv, { reason: { type: "string" } });
  if (words.length !== 1) throw new UsageError(`Name one run.\n${seeHelp("cancel")}`);
  const { reason } = flags;
  const run = await (await reach()).cancelRun(words[0]!, typeof reason === "string" ? { reason } : {});
  console.log(`${run.id} is ${run.status}.`);
  return exitStatus.ok;
}
