/** Scripts for the simulated model (DESIGN §10). */

export interface SimTurn {
  calls?: { tool: string; arguments?: Record<string, unknown> }[];
  text?: string;
  latency_ms?: number;
  stream_ms?: number;
  usage?: { input?: number; output?: number };
  fail?: { status: number; times: number };
}

/** What holds for all turns of a block. */
export interface SimBlock {
  responses_only?: boolean;
}

/** Instructions whose task plays these turns. */
export const plays = (turns: SimTurn[], prose = "Do as the script says.", block: SimBlock = {}): string =>
  `${prose}\n\`\`\`sim\n${JSON.stringify({ ...block, turns })}\n\`\`\``;

/** Instructions whose task answers this text. */
export const says = (text: string, more: Omit<SimTurn, "text"> = {}): string => plays([{ ...more, text }]);
