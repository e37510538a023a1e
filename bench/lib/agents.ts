/** Tasks of real agents: what the simulated model is to say, and when. */

import type { TaskSpec } from "../../src/client/index.ts";

/** Tasks of one turn that takes `ms`. */
export const simulated = (count: number, ms: number): TaskSpec[] =>
  Array.from({ length: count }, (_, i) => {
    const script = { latency_ms: ms, turns: [{ text: `answer ${i}` }] };
    return { instructions: `Answer.\n\`\`\`sim\n${JSON.stringify(script)}\n\`\`\`` };
  });
