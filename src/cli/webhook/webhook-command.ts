/** `heddle webhook` */

import { isProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { DeliveryView, WebhookTest, WebhookView } from "../../client/replies.ts";
import type { WebhookChoice } from "../../client/requests.ts";
import { eachRow } from "../all-rows.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { note, say, sayFields, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { UsageError } from "../usage.ts";

const ask = "Name one run, what is to be done (show, set, test, log, replay or off), and of set the URL.";

export const webhookCommand: Command = {
  name: "webhook",
  group: "Steer",
  summary: "where a run's events are told: set it, test it, see what was delivered",
  words: [
    { name: "RUN", names: "run" },
    { name: "ACTION", choices: ["show", "set", "test", "log", "replay", "off"], optional: true },
    { name: "WHAT", optional: true },
  ],
  flags: {
    event: { value: "TYPE", many: true, about: "of set: what is told; default: run.* and the ends of tasks" },
    state: {
      value: "STATE",
      choices: ["delivered", "retrying", "failed"],
      about: "of log and replay: messages of this state alone",
    },
    json: { about: "what the server answered, of log one JSON object per message" },
  },
  ask,
  about: `Without ACTION, or with show, it says where the run's events are told, whether that works, and how many messages there are.
set URL sets it, also to turn on again one that was turned off; what had not been delivered goes there too.
test sends a message webhook.test now, and prints what the endpoint answered.
log lists the messages that were tried, with the last try of each.
replay MESSAGE sends that one again; replay alone sends all again that were tried, or those of --state.
off takes it away.`,
  more: `Exit status: 0; 1 no webhook, no such run or message, a test that was not taken, or the server refused; 2 usage; 3 server
not reached.

Examples:
  heddle webhook run_… set https://example.com/heddle --event run.* --event task.failed
  heddle webhook run_… test
  heddle webhook run_… replay --state failed`,
  run: async (given) => {
    const {
      words: [run, action = "show", what],
      flags,
    } = given;
    const isMissing = what === undefined && action === "set";
    const isTooMuch = what !== undefined && action !== "set" && action !== "replay";
    if (isMissing || isTooMuch) throw new UsageError(ask, "webhook");
    if (flags.state !== undefined && action !== "log" && action !== "replay")
      throw new UsageError("--state goes with log and replay.", "webhook");
    if (flags.event !== undefined && action !== "set") throw new UsageError("--event goes with set.", "webhook");
    return actions[action as keyof typeof actions](await reach(), run!, given);
  },
};

const actions = {
  show: async (client: Heddle, run: string, { flags }: Given) => {
    try {
      return shown(await client.webhook(run), flags.json === true);
    } catch (error) {
      if (!isProblem(error, "not_found") || !/webhook/.test(error.message)) throw error;
      note(`${run} has no webhook: heddle webhook ${run} set URL`);
      return exitStatus.failed;
    }
  },
  set: async (client: Heddle, run: string, { flags, words: [, , url] }: Given) => {
    const events = flags.event as WebhookChoice[] | undefined;
    return shown(await client.setWebhook(run, { url: url!, ...(events && { events }) }), flags.json === true);
  },
  test: async (client: Heddle, run: string, { flags }: Given) => {
    const test = await client.testWebhook(run);
    if (flags.json === true) sayJson(test);
    else say(testText(test));
    return test.delivered ? exitStatus.ok : exitStatus.failed;
  },
  log: async (client: Heddle, run: string, { flags }: Given) => {
    const state = flags.state as DeliveryView["state"] | undefined;
    const deliveries: DeliveryView[] = [];
    const read = eachRow(
      (page) => client.webhookDeliveries(run, { ...(state && { state }), ...page }),
      (page) => page.deliveries,
    );
    for await (const delivery of read)
      if (flags.json === true) sayJson(delivery);
      else deliveries.push(delivery);
    if (flags.json === true) return exitStatus.ok;
    if (deliveries.length === 0) note("No such message has been tried yet.");
    else sayTable(columns, deliveries);
    return exitStatus.ok;
  },
  replay: async (client: Heddle, run: string, { flags, words: [, , message] }: Given) => {
    const state = flags.state as DeliveryView["state"] | undefined;
    if (message !== undefined && state !== undefined)
      throw new UsageError("replay takes a message or --state, and not both.", "webhook");
    const answer = await (message === undefined
      ? client.replayWebhook(run, state ? { state } : {})
      : client.replayDelivery(run, message));
    if (flags.json === true) sayJson(answer);
    else say(answer.replayed === 1 ? "1 message is sent again." : `${answer.replayed} messages are sent again.`);
    return exitStatus.ok;
  },
  off: async (client: Heddle, run: string, { flags }: Given) => {
    await client.removeWebhook(run);
    if (flags.json === true) sayJson({ removed: run });
    else say(`${run} has no webhook any more.`);
    return exitStatus.ok;
  },
};

function shown(view: WebhookView, json: boolean): number {
  if (json) sayJson(view);
  else {
    const { delivered, retrying, failed } = view.counts;
    sayFields({
      url: oneLine(view.url),
      events: view.events.join(", "),
      state: stateText(view),
      messages: `${delivered} delivered, ${retrying} waiting for another try, ${failed} failed`,
    });
  }
  return exitStatus.ok;
}

function stateText({ state, reason, away }: WebhookView): string {
  if (away)
    return `its endpoint has taken nothing since ${dateTime(away.since)}; it is asked again at ${dateTime(away.next_at)}`;
  if (state === "on") return "on";
  const why = reason === "gone" ? "its endpoint said that it is gone" : "its endpoint took nothing for two days";
  return `off: ${why}; set it again to go on`;
}

const testText = ({ delivered, status, ms, why }: WebhookTest): string =>
  delivered
    ? `It was taken: ${status}, after ${ms} ms.`
    : `It was not taken: ${oneLine(why ?? String(status)).replace(/\.$/, "")}.`;

const columns: readonly Column<DeliveryView>[] = [
  { title: "message", of: ({ id }) => id, least: 12 },
  { title: "type", of: ({ type }) => type },
  { title: "state", of: ({ state }) => state },
  { title: "tries", of: ({ tries }) => tries, align: "right" },
  { title: "last", of: ({ attempts }) => (attempts.length > 0 ? dateTime(attempts.at(-1)!.at) : null) },
  { title: "next", of: ({ next_at: next }) => (next === null ? null : dateTime(next)) },
  { title: "why", of: ({ attempts }) => attempts.at(-1)?.why, least: 12 },
];
