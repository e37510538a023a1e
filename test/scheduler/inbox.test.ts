import { describe, expect, test } from "vitest";
import { inboxBytesMax, inboxMessagesMax } from "../../src/limits.ts";
import { goesOn, sendMessage } from "../../src/scheduler/inbox.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { cancelRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

const send = (run: Run, task: Task, bytes = 10) => run.step((step) => sendMessage(step, task, "m", bytes));
const seqs = (task: Task) => task.inbox.map(({ seq }) => seq);

/** A turn that shows the oldest `count` messages. */
function show(run: Run, task: Task, count: number): void {
  run.step((step) =>
    step.emit({
      type: "turn",
      task: task.n,
      fence: (task as Leased).phase.fence,
      turn: task.turns + 1,
      snapshot: "s",
      usage: { in: 0, out: 0, read: 0, write: 0 },
      messages: seqs(task).slice(0, count),
    }),
  );
}

describe("what is taken", () => {
  test("[I1] a task takes messages in every state in which it can still see them, and is not moved by them", () => {
    const run = new Run();
    const [ready, held, running, parked, child] = run.post({ key: "a" }, { after: ["a"] }, {}, {}, {});
    run.start(running!);
    run.start(parked!);
    run.park(parked!, [child!]);
    for (const task of [ready!, held!, running!, parked!]) {
      const before = task.phase;
      const seq = send(run, task);
      expect(seqs(task)).toEqual([seq]);
      expect(task.phase).toBe(before);
    }
    checkState(run.state, run.now);
    run.succeed(child!);
    expect(states(parked!)).toBe("ready");
    expect(parked!.inbox).toHaveLength(1);
  });

  test("[I1] refused by a task that has ended, whose work is done, and by an ended run", () => {
    const run = new Run();
    const [done, parent] = run.post({}, {}) as Task[];
    run.succeed(done!);
    run.start(parent!);
    run.make(parent!, {});
    run.complete(parent!);
    expect(states(parent!)).toBe("parked");
    const before = run.log.length;
    expect(send(run, done!)).toMatchObject({ code: "task_ended", detail: "It succeeded." });
    expect(send(run, parent!)).toMatchObject({ code: "task_ended", detail: expect.stringContaining("children") });
    expect(run.log).toHaveLength(before);
    run.step((step) => cancelRun(step, "enough"));
    expect(send(run, parent!)).toMatchObject({ code: "run_ended" });
  });

  test("[I1] refused when there is no room, by number or by size; a turn makes room", () => {
    const run = new Run();
    const [many, large] = run.post({}, {}).map((task) => run.start(task));
    for (let i = 0; i < inboxMessagesMax; i++) expect(typeof send(run, many!)).toBe("number");
    expect(send(run, many!)).toMatchObject({ code: "too_many_messages" });
    show(run, many!, 1);
    expect(typeof send(run, many!)).toBe("number");
    send(run, large!, inboxBytesMax);
    expect(send(run, large!, 1)).toMatchObject({ code: "too_many_messages" });
    expect(large!.inbox).toHaveLength(1);
  });
});

describe("what becomes of them", () => {
  test("[I2] they leave with the turn that shows them, oldest first; a lost attempt leaves them for the next", () => {
    const run = new Run();
    const [task] = run.post({}) as [Task];
    const first = send(run, task);
    run.start(task);
    const second = send(run, task);
    run.lose(task);
    expect(seqs(task)).toEqual([first, second]);
    run.start(task);
    show(run, task, 1);
    expect(seqs(task)).toEqual([second]);
    show(run, task, 1);
    expect(task.inbox).toEqual([]);
    expect(run.events("turn").map(({ messages }) => messages)).toEqual([[first], [second]]);
  });

  test("[I3] an attempt is given what waits when it begins, and the rest with its turns", () => {
    const run = new Run();
    const [task] = run.post({}) as [Task];
    send(run, task);
    run.start(task);
    expect(task.given).toBe(1);
    send(run, task);
    send(run, task);
    expect(task.given).toBe(1);
    show(run, task, 1);
    expect([task.inbox.length, task.given]).toEqual([2, 2]);
    send(run, task);
    run.lose(task, "restart");
    run.start(task);
    expect(task.given).toBe(3);
  });

  test("[I4] a final answer waits for messages, for as long as there are turns", () => {
    const run = new Run();
    const [task] = run.post({ max_turns: 2 }) as [Task];
    run.start(task);
    run.turn(task);
    expect(goesOn(run.state, task, 0)).toBe(false);
    send(run, task);
    expect(goesOn(run.state, task, 1_000_000)).toBe(true);
    run.turn(task);
    expect(goesOn(run.state, task, 0)).toBe(false);
  });

  test("[I4] nor does it go on where max_tokens, its own or an ancestor's, leaves too little to read it all again", () => {
    const run = new Run();
    const [parent] = run.post({ max_tokens: 100 }) as [Task];
    run.start(parent);
    const [child] = run.make(parent, {}) as [Task];
    run.start(child);
    run.turn(child, 40);
    send(run, child);
    expect(goesOn(run.state, child, 40)).toBe(true);
    run.turn(child, 20);
    expect(goesOn(run.state, child, 40)).toBe(false);
  });

  test("[I5] every end names what nobody has read: failed, cancelled, done with children, done", () => {
    const run = new Run();
    const tasks = run.post({}, {}, {}, {}).map((task) => run.start(task));
    const [failed, cancelled, parent, done] = tasks as [Task, Task, Task, Task];
    run.make(parent, {});
    const unread = tasks.map((task) => [send(run, task), send(run, task)]);
    show(run, done, 1);
    run.fail(failed);
    run.cancel(cancelled);
    run.complete(parent);
    run.complete(done);
    expect(run.endOf(failed)?.unread).toEqual(unread[0]);
    expect(run.endOf(cancelled)?.unread).toEqual(unread[1]);
    expect(run.events("task_parked").map((event) => "unread" in event && event.unread)).toEqual([unread[2]]);
    expect(run.endOf(done)?.unread).toEqual([unread[3]![1]]);
    for (const task of tasks) expect(task.inbox).toEqual([]);
    checkState(run.state, run.now);
  });

  test("[I5] a new generation begins without messages, and takes its own", () => {
    const run = new Run();
    const [task] = run.post({}) as [Task];
    send(run, run.start(task));
    run.fail(task);
    run.step((step) => retryTask(step, task));
    expect([task.inbox, task.given]).toEqual([[], 0]);
    const seq = send(run, task);
    run.start(task);
    expect([seqs(task), task.given]).toEqual([[seq], 1]);
  });
});
