/** The benchmark's entry: local mode, with counted objects, timer bodies, and routes under /bench/ that read the counters. */

import { WorkerEntrypoint } from "cloudflare:workers";
import { serveSeat } from "../../src/agent/seat.ts";
import local from "../../src/local/index.ts";
import { runStub } from "../../src/objects/env.ts";
import type { SeatTicket } from "../../src/objects/seat-rpc.ts";
import { attempt } from "./bodies.ts";
import { add, contend, pingPong } from "./callers.ts";
import type { CountedScheduler } from "./counted-scheduler.ts";
import { type Floor, hopsOfFloor, seatOfFloor } from "./floor.ts";
import { extras, maybeWithoutExtras } from "./without-extras.ts";

export { SimulatedFaults } from "../../src/local/simulated/faults-object.ts";
export { DeploymentGate } from "../../src/objects/deployment-gate.ts";
export { SharedVariable } from "../../src/objects/shared-variable.ts";
export { TenantGate } from "../../src/objects/tenant-gate.ts";
export { CountedScheduler } from "./counted-scheduler.ts";
export { Floor } from "./floor.ts";

type BenchEnv = Parameters<typeof local.fetch>[1] & { readonly FLOOR: DurableObjectNamespace<Floor> };

export class SeatRunner extends WorkerEntrypoint<BenchEnv> {
  async serve(ticket: SeatTicket): Promise<void> {
    const scheduler = () => maybeWithoutExtras(runStub(this.env, ticket.tenant, ticket.run));
    await serveSeat(ticket, scheduler, this.env, { attempt });
  }

  async serveFloor(name: string, ms: number): Promise<void> {
    await seatOfFloor(this.env.FLOOR.getByName(name), ms);
  }
}

/**
 * An object as new as a run's is: a log of the database that has been filled once is written over and grows no more, which halves what a
 * commit costs.
 */
const newFloor = () => crypto.randomUUID();

export default {
  ...local,
  fetch: async (request, env, ctx) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/bench/counters") {
      const run = env.RUNS.getByName(
        `local/${searchParams.get("run")}`,
      ) as unknown as DurableObjectStub<CountedScheduler>;
      return Response.json(await run.counters());
    }
    if (pathname === "/bench/floor") {
      return Response.json(await hopsOfFloor(env.FLOOR.getByName(newFloor()), Number(searchParams.get("hops"))));
    }
    if (pathname === "/bench/nothing") return Response.json({});
    if (pathname === "/bench/extras") {
      extras.areOn = searchParams.get("on") === "true";
      return Response.json({});
    }
    const run = runStub(env, "local", searchParams.get("run") ?? "");
    const number = (name: string) => Number(searchParams.get(name));
    if (pathname === "/bench/contend") return Response.json(await contend(run, number("callers"), number("rounds")));
    if (pathname === "/bench/ping-pong") return Response.json(await pingPong(run, number("messages")));
    if (pathname === "/bench/add") {
      return Response.json(await add(run, number("callers"), number("each"), number("variables")));
    }
    if (pathname === "/bench/floor-tasks") {
      const name = newFloor();
      await env.FLOOR.getByName(name).offer(number("tasks"));
      // Each seat is an invocation of its own, as a run's are: in one invocation together they are much slower.
      const { SeatRunner: runner } = ctx.exports as unknown as { SeatRunner: Service<SeatRunner> };
      await Promise.all(Array.from({ length: number("seats") }, () => runner.serveFloor(name, number("ms"))));
      return Response.json({});
    }
    return local.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv>;
