/** The endpoint that all runs' webhooks name: it writes down what it takes. */

import type { History } from "../history.ts";
import { Flaky } from "./flaky.ts";

interface Message {
  readonly type: string;
  readonly data: { readonly run: { readonly id: string }; readonly event: { readonly seq: number } };
}

export const startReceiver = (history: History, seed: number, secret: string): Promise<Flaky> =>
  Flaky.start(seed, secret, ({ id, text, signed }) => {
    const { type, data } = JSON.parse(text) as Message;
    history.receive({ run: data.run.id, id, seq: data.event.seq, type, text, signed });
    return {};
  });
