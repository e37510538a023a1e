/** What the examples of agent loops ask, and what the simulated model plays when there is no real one. */

/** Two pieces of work that don't depend on one another. */
export const question = "Compare Rome and Oslo for a week in March: weather and prices. Use a task for each city.";

/** The parent's turns and, inside the instructions, those of the two forks, which are made by two calls of one reply; in `pool`, if given. */
export function script(pool?: string): string {
  const block = (turns: object[]) => `\n\`\`\`sim\n${JSON.stringify({ latency_ms: 300, turns })}\n\`\`\``;
  const city = (key: string, says: string) => ({
    tool: "create_task",
    arguments: { tasks: [{ key, ...(pool && { pool }), instructions: `Report on ${key}.${block([{ text: says }])}` }] },
  });
  return block([
    {
      text: "One task each.",
      calls: [city("rome", "Rome: 16 °C, 120 € a day."), city("oslo", "Oslo: 4 °C, 190 € a day.")],
    },
    { calls: [{ tool: "await_tasks", arguments: { tasks: ["rome", "oslo"] } }] },
    { text: "In March Rome is warmer and cheaper: {{2.0.tasks.0.result}} {{2.0.tasks.1.result}}" },
  ]);
}
