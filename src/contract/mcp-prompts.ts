/** What MCP clients are told beside the tools: a word on the whole, and prompts that teach when to fork, when to lock, and when not to. */

/** Shown to the model as long as it is connected: what no single tool's description can say. */
export const mcpInstructions = {
  key: "Heddle runs work in parallel: start_run with what all tasks should know, create_task, await_tasks. Tasks see the run's context and not your conversation. Shared variables (shared_map, lock and others) are the run's, for its tasks and for you. Waiting costs nothing and may take long: an answer {pending: true, handle} is no failure; give the handle to wait.",
  lease:
    "You are at work on a task of a Heddle run. create_task hands parts of it to parallel tasks; shared variables (shared_map, lock and others) are shared with the run's other tasks. finish ends your task: call it last. An answer {pending: true, handle} is no failure; give the handle to wait.",
} as const;

interface PromptArgument {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
}

interface McpPrompt {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly arguments: readonly PromptArgument[];
  readonly text: (given: Readonly<Record<string, string>>) => string;
}

const optional = (name: string, description: string): PromptArgument => ({ name, description, required: false });

const subject = (label: string, value: string | undefined): string => (value ? `\n\n${label}: ${value}` : "");

export const mcpPrompts: readonly McpPrompt[] = [
  {
    name: "when_to_fork",
    title: "When to fork, and when not",
    description: "Decide which parts of a piece of work are worth a task of their own, and plan them.",
    arguments: [optional("goal", "The work to be planned.")],
    text: ({ goal }) =>
      `Plan this work for Heddle: which parts run as tasks of their own, and which you do yourself.

Fork (create_task) when
- pieces don't need one another's steps: files, candidates, questions, regions of a problem;
- side work would fill your context with what you never need again: searching, reading, trying out;
- several attempts at one hard thing are cheaper than one failure: create them together and await with mode "any";
- you want a second opinion that has not seen your reasoning.

Don't fork when
- the piece is one quick step: a task costs a model call and the reading of its context;
- each piece needs the result of the one before: that is a chain, and a chain is no faster in parallel;
- pieces would change the same thing at the same time: give it to one task, or see the prompt when_to_lock;
- you can't yet say what a piece should return. Find out first.

How
1. start_run with a context that says what every task must know: the goal, what was found out, conventions, what not to touch. Tasks see nothing of your conversation.
2. One create_task for all tasks that belong together. Each gets a key, instructions for its own part, and the form of its result. Where one needs another's result write {{key}} into its instructions: that makes it wait.
3. Count before you create: the critical path bounds the time, and beyond as many tasks as there are workers more only queue. \`projection\` says what a batch will read.
4. await_tasks for what you need next. Failures come as results: decide on each whether to try again, do without, or stop.
5. Put the results together yourself.

Answer with the plan: the run's context, the tasks with their keys and what they depend on, and what you keep for yourself and why.${subject("The work", goal)}`,
  },
  {
    name: "when_to_lock",
    title: "When to lock, and when not",
    description: "Choose how parallel tasks share something: by results, by an indivisible op, or by a lock.",
    arguments: [optional("shared", "What is shared, and who reads and changes it.")],
    text: ({ shared }) =>
      `Choose how the tasks of a Heddle run share this. Take the first that is enough:

1. Nothing shared. Each task returns its result; {{key}} and await_tasks bring them together. Most work needs no more.
2. One op is enough: each op on a variable is indivisible. Count with atomic add; claim work with shared_map set and if_version 0 (only the first succeeds); collect with shared_list append; a text that several write with shared_memory edit or append.
3. Read, think, write on one variable: read with its version, write with if_version, and read again when it was refused. Nobody waits, nothing is lost.
4. Several steps that belong together, or something outside of Heddle (a file, a deployment, an account): lock acquire, do it, release. Give its token as \`fence\` to the writes that it guards: then a holder who lost it can no longer write.
5. At most so many at a time (a rate-limited service): semaphore. All must arrive before any goes on: barrier. One hands over to another: message_queue, future.

Don't lock
- what only one task touches, or what is only read;
- around a single op, which is indivisible without it;
- while you await tasks that need the same lock;
- for long: whoever waits is idle. Think first, then lock, change, release.

Several locks: acquire them at once with \`names\`, never one after the other. A deadlock is found and one wait of it ends with deadlock_victim, whose locks are released: begin again in the order that the error names.

Over MCP acquire answers an \`actor\`: give it to release. A hold ends some minutes after its actor's last call, so that a client that is gone blocks nobody.${subject("What is shared", shared)}`,
  },
  {
    name: "diagnose_run",
    title: "What is wrong with a run",
    description: "Read a run's state, findings and timeline, and say what holds it up and what to do.",
    arguments: [{ name: "run", description: "The run's id.", required: true }],
    text: ({ run }) =>
      `Find out what holds up the Heddle run ${run}, and what to do about it.

1. Read heddle://runs/${run} (status, counts, budget; a paused run says why) and heddle://runs/${run}/findings (deadlocks, races, contention, stragglers, failures that nobody saw, each with its evidence).
2. For tasks that a finding names read heddle://runs/${run}/tasks/TASK: state, what it waits for, its error with causes.
3. heddle://runs/${run}/timeline has a row for each task with where its time went: waiting in the queue, for locks, for other tasks, for the model.

Say in order of weight: what is wrong, by which evidence, and the smallest step that helps (another limit, an order of locks, fewer or larger tasks, a retry). Say so too when nothing is wrong. Change nothing yet.`,
  },
];
