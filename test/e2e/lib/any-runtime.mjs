/**
 * What a program does with the client, in whatever runs it: nothing here is Node's alone.
 * The client's file and the server's address are the arguments; what came of it is a line of JSON.
 */

import process from "node:process";

const [clientUrl, url] = process.argv.slice(2);
const { Heddle, isProblem } = await import(clientUrl);

/** Instructions that the simulated model answers so. */
const says = (text) => `Say it.\n\`\`\`sim\n${JSON.stringify({ turns: [{ text }] })}\n\`\`\``;

const heddle = new Heddle({ url, key: "hdl_local" });
const told = {};

const run = await heddle.runs.create({ name: "any runtime" });
told.result = await (await run.tasks.create({ instructions: says("well") })).result();

const after = await run.fork([{ role: "user", content: "Our office is in Oslo." }]);
told.fork = await (await after.tasks.create({ instructions: says("forked") })).result();

told.locked = await run.lock("desk").with(async () => {
  await run.atomic("count").add(2);
  return run.atomic("count").get();
});
await run.queue("letters").push(["a", "b"]);
told.popped = await run.queue("letters").pop({ max: 2 });

const controller = new AbortController();
setTimeout(() => controller.abort(), 50);
told.aborted = await run
  .future("never")
  .value({ signal: controller.signal })
  .catch(({ name }) => name);
told.refused = await new Heddle({ url, key: "hdl_nobody" }).runs
  .create({})
  .catch((error) => isProblem(error, "unauthorized"));

await run.finish();
const types = [];
for await (const { type } of run.events()) types.push(type);
// Sessions that were open at the end are ended after it.
told.events = [types[0], types.findLast((type) => type !== "actor_ended")];

{
  await using disposed = await heddle.runs.create();
  told.disposed = disposed.id;
}
told.disposed = (await heddle.run(told.disposed)).status;

console.log(JSON.stringify(told));
