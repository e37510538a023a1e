import { reportedTokensMax } from "../../limits.ts";

/**
 * A count of tokens as a provider tells it, which may be a tenant's own: whole, never below nothing, and small enough for sums.
 * What is less than nothing would pay for what others use; what is no number at all would be lost in the log, and with it the sum.
 */
export const tokenCount = (value: unknown): number =>
  typeof value === "number" && value > 0 ? Math.ceil(Math.min(value, reportedTokensMax)) : 0;
