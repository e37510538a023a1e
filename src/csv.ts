/** Cells of CSV (RFC 4180). A spreadsheet takes a text that begins like a formula for one: such a text gets a quote before it. */
export function csvCell(value: string | number | null | undefined): string {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What usage is summed up in, in the order in which files of it have them. */
export const usageColumns: readonly string[] = [
  ...["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd"],
  ...["unpriced_tokens", "simulated_tokens", "model_calls", "task_seconds", "tasks", "events"],
];
