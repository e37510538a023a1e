/** Calls about a run's webhook: its settings, what was delivered, and the parts of a push. */

import type { Page } from "../../contract/shapes.ts";
import type { DeliveryView, WebhookView } from "../../contract/webhook-shapes.ts";
import type { Delivery, Outcome } from "../../webhooks/delivery.ts";
import { messageId } from "../../webhooks/message.ts";
import type { DeliveriesInput, Idem, ReplayInput, Reply, WebhookInput } from "../rpc.ts";
import type { WebhookWork } from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { badCursor, firstOf, ok, placeOf, refuse } from "./replies.ts";
import type { RunShell } from "./shell.ts";
import type { Webhook } from "./webhooks.ts";

const none = refuse({ code: "not_found", detail: "The run has no webhook." });

export class WebhookCalls {
  readonly #shell: RunShell;

  constructor(shell: RunShell) {
    this.#shell = shell;
  }

  set(input: WebhookInput, idem: Idem | undefined): Reply<WebhookView> {
    const { webhooks } = this.#shell;
    return this.#shell.command((step, run) => {
      webhooks.set(run, input, step.now, step.state.header.seq);
      step.emit({ type: "webhook_set", events: input.events });
      return ok(viewOf(run, webhooks.get(run)!));
    }, idem);
  }

  remove(): Reply<null> {
    const { webhooks } = this.#shell;
    return this.#shell.command<null>((step, run) => {
      if (!webhooks.get(run)) return ok(null);
      webhooks.remove(run);
      step.emit({ type: "webhook_off", why: "asked" });
      return ok(null);
    });
  }

  look(): Reply<WebhookView> {
    return this.#of((run, webhook) => ok(viewOf(run, webhook)));
  }

  url(): Reply<string> {
    return this.#of((_run, { url }) => ok(url));
  }

  #of<T>(look: (run: LoadedRun, webhook: Webhook) => Reply<T>): Reply<T> {
    return this.#shell.read((run) => {
      const webhook = this.#shell.webhooks.get(run);
      return webhook ? look(run, webhook) : none;
    });
  }

  /** Also of a webhook that was taken away. */
  list({ limit, cursor, state }: DeliveriesInput): Reply<Page<DeliveryView>> {
    return this.#shell.read<Page<DeliveryView>>((run) => {
      const after = placeOf(cursor);
      if (after === undefined) return badCursor;
      const found = run.store.deliveries.page(after, limit + 1, state);
      const { rows, nextCursor } = firstOf(found, limit, ({ seq }) => seq);
      return ok({ rows: rows.map((delivery) => deliveryView(run, delivery)), nextCursor });
    });
  }

  replay(what: ReplayInput, idem: Idem | undefined): Reply<number> {
    const { webhooks } = this.#shell;
    return this.#shell.command<number>((step, run) => {
      if (!webhooks.get(run)) return none;
      const replayed = webhooks.replay(run, what, step.now);
      if ("seq" in what && replayed === 0)
        return refuse({ code: "not_found", detail: "This run's webhook has tried no such message." });
      return ok(replayed);
    }, idem);
  }

  open(nonce: string): WebhookWork | undefined {
    const reply = this.#shell.command<WebhookWork | undefined>((step, run) =>
      ok(this.#shell.webhooks.open(run, nonce, step.now)),
    );
    return reply.ok ? reply.value : undefined;
  }

  report(nonce: string, outcomes: readonly Outcome[]): WebhookWork | undefined {
    const reply = this.#shell.command<WebhookWork | undefined>((step, run) => {
      const { work, off } = this.#shell.webhooks.report(run, nonce, outcomes, step.now);
      if (off) step.emit({ type: "webhook_off", why: off });
      return ok(work);
    });
    return reply.ok ? reply.value : undefined;
  }
}

function viewOf(run: LoadedRun, { url, events, setAt, seq, away, off }: Webhook): WebhookView {
  return {
    url: withoutValues(url),
    events: [...events],
    state: off ? "off" : away ? "away" : "on",
    reason: off?.why ?? null,
    away: away && !off ? { since: away.since, tries: away.times, next_at: away.until } : null,
    counts: run.store.deliveries.counts(),
    seq,
    set_at: setAt,
  };
}

function withoutValues(text: string): string {
  const url = new URL(text);
  for (const name of new Set(url.searchParams.keys())) url.searchParams.set(name, "…");
  return decodeURI(url.href);
}

function deliveryView(run: LoadedRun, { seq, type, state, tries, attempts, nextAt }: Delivery): DeliveryView {
  return {
    id: messageId(run.id, seq),
    seq,
    type,
    state,
    tries,
    attempts: attempts.map(({ at, ms, status, why = null }) => ({ at, ms, status, why })),
    next_at: nextAt,
  };
}
