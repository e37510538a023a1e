/** What worlds find in the place of `src/limits.ts`; what is named wins over what is not. */

export * from "../../../src/limits.ts";
export {
  checkpointPageTasks,
  checkpointTailBytes,
  checkpointTailRows,
  commandsPerCommit,
  commitsInARow,
  deadLettersToldEveryMs,
  logCacheBytes,
  logRowBytes,
  meterQuietMs,
  meterTriesOfDeletion,
  rowBytesMax,
  snapshotCacheBytes,
  sweepPageRuns,
  sweepPassRuns,
} from "./small-limits.ts";
