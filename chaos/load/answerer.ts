/** One who answers what a run's tasks ask. */

import type { QuestionsPage, RunView } from "../../src/client/index.ts";
import type { Client } from "../client.ts";
import { answerTo } from "./script.ts";

/** Goes on until the run has ended. */
export async function answerer(client: Client, run: string): Promise<void> {
  while (!client.over) {
    const page = await client.get<QuestionsPage>(`/v1/runs/${run}/questions`);
    for (const question of page?.questions ?? []) {
      if (question.kind !== "ask" || question.ask === null) continue;
      const body = { action: "answer", value: answerTo(question.ask) };
      const path = `/v1/runs/${run}/questions/${question.id}/answer`;
      await client.ask(run, { kind: "answer", question: question.id }, { method: "POST", path, body });
    }
    const view = await client.get<RunView>(`/v1/runs/${run}`);
    if (!view || (view.status !== "active" && view.status !== "paused")) return;
    await client.pause(200, 900);
  }
}
