import { ClaudeReader } from "./reader-claude.ts";
import { CodexReader } from "./reader-codex.ts";
import { OpencodeReader } from "./reader-opencode.ts";
import type { HarnessUsage, Reader } from "./reading.ts";

const readers = { claude: ClaudeReader, codex: CodexReader, opencode: OpencodeReader } as const;

export type ReaderName = keyof typeof readers;

/** `before`: what the session that it goes on with has used. */
export const readerOf = (name: ReaderName, before: HarnessUsage | undefined): Reader => new readers[name](before);
