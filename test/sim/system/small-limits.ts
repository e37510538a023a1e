/**
 * Bounds that a world of some minutes would never meet, so small that it does: checkpoints, rows that are cut, commits that are
 * full, caches that forget.
 */

export const checkpointTailRows = 25;
export const checkpointTailBytes = 16_000;
export const checkpointPageTasks = 5;
export const logRowBytes = 1000;
export const logCacheBytes = 4000;
/** A third of it is a chunk. */
export const rowBytesMax = 3000;
export const commandsPerCommit = 3;
export const commitsInARow = 2;
export const snapshotCacheBytes = 40_000;
export const deadLettersToldEveryMs = 20_000;
/** A page for each two runs, and passes that don't come to all of them. */
export const sweepPageRuns = 1;
export const sweepPassRuns = 1;
/** Deletions that the run's own work gets ahead of. */
export const meterTriesOfDeletion = 1;
/** Runs fall silent and go on, and the meter passes them over meanwhile. */
export const meterQuietMs = 20_000;
