/** `heddle admin billing`: tenants' usage as meter events of a billing provider. */

import type { BillingView, EventState, MeterEventView } from "../../contract/billing-shapes.ts";
import { allRows } from "../all-rows.ts";
import type { Given } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { note, say, sayFields, sayJson, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { textsOf } from "../usage.ts";
import { type Acts, asOperator } from "./shared.ts";

export const billingActs: Acts = {
  list: {
    words: [],
    flags: ["tenant", "state"],
    run: async (given) => {
      const rows = await events(given);
      sayRows(given.flags, rows, columns, "There are no events.");
      return exitStatus.ok;
    },
  },
  export: {
    words: [],
    flags: ["tenant", "state"],
    run: async (given) => {
      for (const { event_name, identifier, timestamp, payload } of await events(given))
        sayJson({ event_name, identifier, timestamp, payload });
      return exitStatus.ok;
    },
  },
  show: {
    words: ["TENANT"],
    run: async (given, tenant) => sayBilling(given, await (await asOperator()).billing(tenant!)),
  },
  set: {
    words: ["TENANT", "ID"],
    flags: ["since"],
    run: async (given, tenant, customer) => {
      const body = { customer: customer!, ...textsOf(given.flags, "since") };
      return sayBilling(given, await (await asOperator()).setBilling(tenant!, body));
    },
  },
  remove: {
    words: ["TENANT"],
    run: async ({ flags }, tenant) => {
      await (await asOperator()).removeBilling(tenant!);
      if (flags.json === true) sayJson({ removed: tenant });
      else say(`Nothing more of ${tenant} is billed.`);
      return exitStatus.ok;
    },
  },
  push: {
    words: [],
    flags: ["open-hours"],
    run: async ({ flags }) => {
      const pass = await (await asOperator()).pushBilling({ open_hours: flags["open-hours"] === true });
      if (flags.json === true) sayJson(pass);
      else {
        say(`${pass.created} made, ${pass.sent} sent, ${pass.refused} refused, ${pass.waiting} waiting.`);
        if (!pass.configured) note("No provider is configured (HEDDLE_BILLING_KEY): nothing is sent.");
        if (pass.error !== null) note(`The provider can't be sent to at present: ${pass.error}`);
      }
      return pass.error === null && pass.refused === 0 ? exitStatus.ok : exitStatus.failed;
    },
  },
  retry: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      const { retried } = await (await asOperator()).retryBilling(textsOf(given.flags, "tenant"));
      if (given.flags.json === true) sayJson({ retried });
      else say(`${retried} that were refused will be sent again.`);
      return exitStatus.ok;
    },
  },
};

async function events(given: Given): Promise<MeterEventView[]> {
  const admin = await asOperator();
  const of = textsOf(given.flags, "tenant", "state") as { tenant?: string; state?: EventState };
  return allRows(
    (page) => admin.billingEvents({ ...page, ...of }),
    (page) => page.events,
  );
}

function sayBilling({ flags }: Given, view: BillingView): number {
  if (flags.json === true) sayJson(view);
  else if (view.customer === null) say(`${view.tenant} is not billed.`);
  else say(`${view.tenant} is billed to ${view.customer}.`);
  if (flags.json !== true)
    sayFields({
      since: view.since && dateTime(view.since),
      waiting: String(view.events.waiting),
      sent: String(view.events.sent),
      refused: String(view.events.refused),
    });
  return exitStatus.ok;
}

const columns: readonly Column<MeterEventView>[] = [
  { title: "HOUR", of: ({ timestamp }) => timestamp.slice(0, 16).replace("T", " ") },
  { title: "TENANT", of: ({ tenant }) => tenant },
  { title: "METER", of: ({ event_name }) => event_name },
  { title: "MODEL", of: ({ payload }) => payload.model, least: 8 },
  { title: "VALUE", of: ({ payload }) => payload.value, align: "right" },
  { title: "CUSTOMER", of: ({ payload }) => payload.stripe_customer_id, least: 8 },
  { title: "STATE", of: ({ state }) => state },
  { title: "WHY", of: ({ error }) => error, least: 12 },
];
