import { ClaudeReader } from "./reader-claude.ts";
import { CodexReader } from "./reader-codex.ts";
import { OpencodeReader } from "./reader-opencode.ts";
import type { Reader } from "./reading.ts";

const readers = { claude: ClaudeReader, codex: CodexReader, opencode: OpencodeReader } as const;

export type ReaderName = keyof typeof readers;

export const readerOf = (name: ReaderName): Reader => new readers[name]();
