/**
 * Every bound of Heddle: name with unit, value, why, and where the number comes from.
 * Nothing is bounded anywhere else; a new loop, buffer or list takes its bound from here.
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

// ---- HTTP (contract, DESIGN §4) ------------------------------------------------------------------------------------
/** A request body; the platform takes 100 MB, an RPC argument 32 MiB, and a body is held twice while it is read. */
export const bodyBytesMax = 16 * MiB;
/** `instructions` of one task. */
export const instructionsBytesMax = 128 * KiB;
/** The result of one task, as JSON. */
export const resultBytesMax = 1 * MiB;
/** Tasks of one batch; all or nothing, so it is also the largest single transition. */
export const batchTasksMax = 1000;
/**
 * Tasks of the first batch of many that the client posts: while a run takes a full one, some 40 ms on a cold object, nothing of it starts
 * (bench/README.md, `W1.50ms`). So many keep 64 seats busy for as long with tasks of 10 ms, and are taken in a quarter of the time.
 */
export const firstBatchTasks = 256;
/** Rows of one page. */
export const pageRowsMax = 1000;
/** A cursor of the next one, far above what is ever given out. */
export const cursorCharsMax = 512;
export const pageRowsDefault = 100;
/** A page ends early at this size, so that 1,000 results of 1 MiB never meet in one answer. */
export const pageBytesMax = 8 * MiB;
/** … and a list of tasks when it has looked at so many: most of them are read from checkpoints, ten microseconds each, on the run's one thread. */
export const tasksLookedAtMax = 5000;
/** Content of one message to a task: a picture fits, and a log row's chunks stay few. */
export const messageBytesMax = 1 * MiB;
/** Messages that wait for a task's next turn, and their bytes together: they travel with its context in one RPC. */
export const inboxMessagesMax = 64;
export const inboxBytesMax = 2 * MiB;
/** What part of a budget is used when its task is told of it: once to wrap up, and once to hand in. */
export const budgetNotePercents = [80, 95] as const;
/** Before fewer calls as large as its newest are left it is told too: one to wrap up in, and one to hand in. */
export const budgetNoteCalls = 2;
/** Budgets that a task is remembered to have been told of: some of each kind, for those that were changed. */
export const budgetsNotedMax = 32;
/** Longest long poll of `/wait` and of a blocking tool call: below the shortest proxy timeout in common use (100 s). */
export const waitMsMax = 60 * second;
export const waitMsDefault = 30 * second;
/** Longest long poll of a pull worker for leases (contract). */
export const leaseWaitMsMax = 30 * second;
/** Leases of one call: the contexts' size bounds it sooner. */
export const leasesPerCallMax = 64;
/** Pull workers of one tenant that are remembered with their load, and for how long after they asked last. */
export const poolWorkersMax = 1000;
export const poolWorkerSeenMs = 10 * minute;
/**
 * Contexts sent with leases, all together; beyond it they are fetched by snapshot (the contract allows 24 MiB). Counted in
 * UTF-16 units: one character beyond Latin-1 makes an RPC send two bytes for each, and an RPC takes 32 MiB.
 */
export const leaseContextBytesMax = 14 * MiB;
/** Answers to an `Idempotency-Key` are kept this long (contract). */
export const idempotencyMs = 24 * hour;
/** Older ones are dropped this often: it scans them all. */
export const outcomesDropEveryMs = 1 * hour;
/** So many rows read cost what one costs that is written (list prices of the platform). */
export const rowInRowsRead = 1000;
export const idempotencyKeyCharsMax = 255;
/** Names, titles, labels: enough for a sentence; they are shown in lists and kept in memory. */
export const nameCharsMax = 200;
export const labelsMax = 16;
export const labelCharsMax = 64;
/** Groups that a batch may make. */
export const batchGroupsMax = 100;
/** Dependencies of one task: as many as a batch has, so that one can join all others. */
export const afterMax = 1000;
/** Of all tasks of a run together: each is kept at both of its ends while one of them lives, some 16 bytes of an object's memory. */
export const dependenciesPerRunMax = 1_000_000;
/** Causes of an error that are told of, nearest first: more is no longer read, and each costs a row of the log. */
export const causesShownMax = 8;
/** Tasks named in one wait or await_tasks. */
export const waitTasksMax = 1000;
/** Failed tasks that a wait for the whole run names (contract). */
export const failedIdsMax = 100;
/** Levels of nesting in a body or in tool arguments: later code walks and prints values recursively. */
export const jsonDepthMax = 64;
/** Values in a body, or in tool arguments: a batch may name a million tasks to wait for. Each takes some 50 bytes of memory and half a microsecond. */
export const jsonValuesMax = 1_100_000;
/** Of these, those with names, which take four times as much where each name is another: a result of 1 MiB has room for fewer. */
export const jsonMembersMax = 200_000;
/** Fields named in one validation problem: enough to correct a batch, small enough to read. */
export const fieldErrorsMax = 50;
/** Messages of one append: far above any conversation; bounds the rows of one transaction. */
export const messagesMax = 10_000;
/** Pools named by one run's `limits.pools`. */
export const poolsPerRunMax = 64;
/** A reason given for a cancellation: a paragraph, kept in the log. */
export const reasonCharsMax = 1000;
/** An error's message: a stack trace or the tail of a command's output, kept with the task. */
export const errorCharsMax = 16 * KiB;
/** An id that a vendor made, in an error's text: theirs have some 30. */
export const shownIdCharsMax = 100;
/** A result's path in `inspect`, as text. */
export const resultPathCharsMax = 500;
/** A live event stream says that it is there this often: below the idle timeout of proxies in common use. */
export const sseHeartbeatMs = 15 * second;
/** One call of the object for a live event stream waits this long for the next event. */
export const sseWaitMs = 25 * second;
/** Calls of one live event stream; then it ends and the client resumes: far from `subrequestsMax`. */
export const sseCallsMax = 2000;
/** Sockets that watch one run: each costs a send for each frame, in the one thread of the run, and up to a window of memory. */
export const watchersPerRunMax = 1000;
/** Characters sent to a watcher and not acknowledged: with all its watchers stalled, a run's object keeps 32 MB for them. */
export const watcherWindowChars = 32 * KiB;
/** A frame ends after the event that passes this: a watcher has at least two on the way. */
export const watcherFrameChars = 16 * KiB;
/** A watcher acknowledges at the latest after this much: half of the window is then still open. */
export const watcherAckEveryChars = 8 * KiB;
/** An acknowledgement is a short object; more is none. */
export const watcherAckCharsMax = 64;
/** A watcher that acknowledges nothing for so long, and could be told nothing meanwhile, is closed. */
export const watcherStallMs = 30 * second;
/**
 * A socket is told nothing more after this, or up to a quarter less so that not all come again at once: whoever connects shows a key or a
 * ticket anew, so a revoked key sees no longer than this what goes on.
 */
export const watcherLifeMs = 15 * minute;
/** A watcher that was told its last may close by itself within this. */
export const watcherLeaveMs = 500;
/** Frames of a busy run go out this often: faster than anybody reads, and seldom enough for a thousand watchers. */
export const watcherEveryMs = 50;
/** Frames kept for watchers who come to the same place of the log. */
export const watcherPagesChars = 2 * MiB;
/**
 * Live event streams hear of a busy run this often, for the same reason; and with hundreds of them only after so much for each, since
 * each is a call of the run's object, of 0.1 to 0.2 ms: all together make a thousand a second at most.
 */
export const followersEveryMs = 50;
export const followerMs = 1;
/** Pages kept for those of them who come to the same place of the log. */
export const followersPagesChars = 2 * MiB;
/** A ticket is there to connect with, soon; a page that reconnects later asks its server for another. */
export const ticketMsDefault = 1 * minute;
export const ticketMsMin = 1 * second;
export const ticketMsMax = 1 * hour;
/** Of leases' ids and of tickets; far above what is ever signed: longer texts are not looked at. */
export const signedTokenCharsMax = 512;
/** Partial texts of a task are sent, and shown, at most this often: fluent to read, and few calls of the run's object. */
export const partialEveryMs = 500;
/** Of one reply, in characters; what follows is seen with the turn. */
export const partialCharsMax = 64 * KiB;
/** Of all replies under way in a run: its object shares 128 MB with others. */
export const partialsCharsMax = 4 * MiB;
/** So long after a follower's last call has ended, seats still send partial texts: it is about to call again. */
export const partialWatchMs = 5 * second;
/** A deployment secret shorter than this can be guessed. */
export const secretCharsMin = 32;

// ---- MCP (src/mcp) ---------------------------------------------------------------------------------------------------
/** A tool call waits so long before it answers with a handle: below the 60 s after which official clients give up. */
export const mcpWaitMsDefault = 50 * second;
/** As far as `?wait_ms=` may take it, for clients that have the patience. */
export const mcpWaitMsMax = 10 * minute;
/** A client that knows durable tasks gets one for what takes longer than this; what is quicker needs no second request. */
export const mcpTaskAfterMs = 2 * second;
/** How often such a client is told to look. */
export const mcpTaskPollMs = 2 * second;
/** Progress is told this often: no client asks more of a wait than that it is alive. */
export const mcpProgressMs = 5 * second;
/** Where a run is too busy to be asked about a wait, it is asked again after this. */
export const mcpBusyMs = 1 * second;
/** Ending a session that nobody needs is tried so often; then its own time ends it. */
export const mcpLetGoTries = 5;
/** A session that holds a lock or permits lasts so long after its last call: a model thinks for minutes between two. */
export const mcpHoldMs = 5 * minute;
/** One that only waits lasts so long after the last look at the wait: a client that is gone must not take a message from its queue. */
export const mcpWaiterMs = 2 * minute;
/** A wait's handle carries its arguments, and stands in a header: what is longer is waited for in its own call alone. */
export const mcpHandleCharsMax = 4 * KiB;
/** Questions of a run that one look shows, and that a client is asked at once: when they are answered the next ones are. */
export const mcpQuestionsMax = 20;
/** What a status shows of a task's question: a line. The question itself is shown whole. */
export const mcpAskShownChars = 120;
/** A call under way says so often: a connection that is gone is noticed by what can't be sent on it. */
export const mcpAliveMs = 5 * second;
/** Opened sessions are named after the client, as it calls itself. */
export const mcpClientNameCharsMax = 64;
/** A server's list of tools is asked for when a run is created, and its creator waits. */
export const mcpListingMs = 15 * second;
/** MCP servers of one run: each is asked when it is created. */
export const mcpServersMax = 8;
/** Pages of such a list. */
export const mcpPagesMax = 20;
/** What a server sends for one call, or one page of its list: a result is at most 1 MiB, and comes twice, as text and structured. */
export const mcpAnswerBytesMax = 4 * MiB;
/** Values in an MCP server's list of tools, a page: of hundreds of tools with full schemas. The client checks each: of 4 MiB of ones it tells 300 MB of errors. */
export const mcpListValuesMax = 100_000;
/** And in what a call answers, which has a mebibyte as a result: of numbers with five digits no more fit. */
export const mcpResultValuesMax = 200_000;
/** Ending a server's session is courtesy. */
export const mcpGoodbyeMs = 1 * second;
/** Tools of a server that an error names. */
export const mcpNamesShown = 20;
/** Lists of tools and prompts change with a new version of Heddle alone. */
export const mcpListMs = 1 * hour;

// ---- admission (src/admission.ts): what is let in at once; beyond it is refused with `retry-after` ---------------------
/**
 * Requests at work in one isolate: it does some thousands a second, so this is a fraction of a second of them, and at some
 * 20 KB each a sixth of its 128 MB. Long polls only hold a promise.
 */
export const doorWorkMax = 1024;
export const doorWaitMax = 4000;
/** Bodies that are being read or carried out there: each is held as bytes, as text and parsed; two of the largest fit in 128 MB. */
export const doorBytesMax = 2 * bodyBytesMax;
/** A body up to this is in what each request takes anyway (`doorWorkMax`): large ones are no reason to refuse it. */
export const doorSmallBodyBytes = 16 * KiB;
/** Of one tenant, so that another always gets in. */
export const tenantWorkMax = 768;
export const tenantWaitMax = 2000;
/** Of one run: its object commits some 2,000 a second, so whoever is let in waits for a fourth of a second at most. */
export const runWorkMax = 512;
export const runWaitMax = 1000;
/** In the run's object itself, from all isolates; each commit looks at every long poll. */
export const objectWorkMax = 1024;
export const objectWaitMax = 1000;
/** Workers of one tenant that wait for leases at its gate: it remembers no more of them (`poolWorkersMax`). */
export const gateWorkMax = 1024;
export const gateWaitMax = 1000;
/** Ops that wait for one variable: at sixteen a commit some thirty milliseconds for each hundred. */
export const variableWorkMax = 1024;
/** A request that says nothing any more gives its place up after this: above the longest long poll and what it takes. */
export const admissionMs = waitMsMax + 30 * second;
/**
 * A body that others wait for the place of: it may take this long, and for what has come of it no longer than a line of 2 Mbit/s would.
 * Ten times what a request in another part of the world takes to be sent, so that only what does not come is refused.
 */
export const bodyGraceMs = 5 * second;
export const bodyBytesPerSecondMin = 256 * KiB;
/** Places that were given up are looked for this often, when there is no other room. */
export const admissionSweepMs = 1 * second;
/** `retry-after` is a second, or up to so many more: those who were refused together come back apart. */
export const retryAfterSpreadS = 2;
/** A gate asks a run that refused it again after this. */
export const refusedRunMs = 1 * second;
/** One that has not answered for so long does not keep the next that waits from asking others: an object is loaded within it, or nearly. */
export const slowRunMs = 250;

// ---- runs: defaults of `limits` (contract, DESIGN §4) --------------------------------------------------------------
export const runWorkersDefault = 16;
export const runWorkersMax = 1000;
export const runTasksDefault = 10_000;
/** An object holds 128 MB; at the resident sizes of DESIGN §3.2 this many tasks fit with room to spare. */
export const runTasksMax = 200_000;
export const runDepthDefault = 5;
export const runDepthMax = 64;
export const runChildrenDefault = 100;
export const runTimeoutMsDefault = 24 * hour;
export const runTimeoutMsMax = 365 * 24 * hour;
export const runStallMsDefault = 60 * second;
/** A run without a root that nothing happens in ends by itself (contract). */
export const runIdleMs = 24 * hour;

/** A run that has ended is deleted after this (issue 6), unless the deployment or the run says otherwise. */
export const retentionDaysDefault = 30;
/** Ten years: what is to be kept longer belongs into a file. */
export const retentionDaysMax = 3650;
export const hourMs = hour;
export const dayMs = 24 * hour;
/** Runs that ended with no time to be deleted at (before there was one, or while the deployment kept all) stay this long at least. */
export const retentionGraceMs = 7 * dayMs;
/** Runs that one pass of the sweep deletes: a few hundred objects' storage in a minute; what is left is the next pass's. */
export const expirePassRuns = 200;
/** A run that could not be deleted is tried again after this, behind those that can. */
export const expireAgainMs = 1 * hour;

// ---- tasks ---------------------------------------------------------------------------------------------------------
export const priorityDefault = 5;
export const priorityRootDefault = 9;
export const retriesDefault = 2;
export const retriesMax = 20;
export const backoffMsDefault = 1 * second;
export const backoffMsMax = 10 * minute;
/** A task that holds something through a longer backoff is a finding (contract). */
export const longBackoffMs = 30 * second;
/** A provider's own retry-after is honoured up to this; beyond it the attempt counts as failed. */
export const retryAfterMsMax = 10 * minute;
/** Leases lost in a row without a new turn before a task is called poisoned (contract). */
export const poisonedLosses = 3;
export const maxTurnsDefault = 50;
export const maxTurnsMax = 1000;
/** One ready minute raises a task by one level (DESIGN §6). */
export const agingStepMs = 1 * minute;
/** Longer chains of dependents go first only up to here: beyond it the difference decides nothing and costs a walk per task. */
export const chainLengthMax = 256;
/** The model is shown what is wrong with its output this often before the task fails (issue 2). */
export const outputRepairsMax = 2;
/** Steps of holding one result against its `output_schema`: some 0.3 s, where a mebibyte against a plain schema takes two million. */
export const schemaStepsMax = 10_000_000;
/** Of these, those for finding what the references of a schema mean: room for some twenty thousand parts. */
export const schemaPartsMax = 4_000_000;
/** Steps that a pattern of a schema may have, its repetitions counted out: of one character alone they are one step. */
export const patternStepsMax = 5000;
/** Groups of a pattern inside of one another. */
export const patternDepthMax = 100;
/** What reading one class of Unicode's (`\p{L}`) counts for, in characters of a pattern: so much longer it takes. */
export const unicodeClassSteps = 500;
/** Steps and characters of all patterns of a schema: a batch may have a thousand schemas, all of which are looked through. */
export const schemaPatternsMax = 50_000;
/** Texts of schemas of which an isolate remembers whether they can be used. */
export const schemasKnownBytes = 2 * MiB;
/** What one of them takes beside its text: of the shortest there would be 100,000, and their entries ten times as much as their texts. */
export const schemaKnownBytes = 256;
/** For what was tried at which place of a text, in bits: 8 MiB. Where it takes more, the steps alone are bounded. */
export const patternTriedBitsMax = 64 * MiB;
/** Ways that are left to try at once while a text is held against a pattern: some 24 MB, where an isolate has 128 for all tenants. */
export const patternWaysMax = 1_000_000;
/** A string of a format (an address, a date) has no more; longer ones don't match. */
export const formatCharsMax = 8 * KiB;
/** Of what is wrong with a result so much is told, the last of it: what is innermost. */
export const schemaErrorsShown = 5;

// ---- leases and seats ----------------------------------------------------------------------------------------------
export const leaseMs = 30 * second;
/** A repeated lease request waits for the first one's answer by so much longer than that one waits: runs are asked in between. */
export const leaseJoinMs = 5 * second;
/** Names of pull workers, which they choose, that a run remembers to have served; one that is forgotten is served as if it had just come. */
export const servedWorkersBytes = 256 * 1024;
/** A wait from outside that gave up is answered so again for so long: as a lost answer is asked for within, by a client that has waited for it. */
export const outsideWaitToldMs = 2 * minute;
/** Names of lease requests, which clients choose, that a gate was told to serve no more before it had them. */
export const gateLeavesBytes = 64 * 1024;
/** Runs that were deleted lately, of which a gate may have a report yet that was long on its way. */
export const gateGoneBytes = 64 * 1024;
/** A client that stops waiting for a lease says so within this, or not at all. */
export const leaseLeaveMs = 2 * second;
/** Newest restarts of a local server that a run remembers: after as many in a row a lease has no term left worth waiting for. */
export const restartsKeptMax = 8;
/** Seats renew this often: two renewals may be lost before the lease is. */
export const renewEveryMs = 10 * second;
/** A seat gives its place back after this and is opened anew: Cloudflare adds consumers only between batches. */
export const seatServesMs = 60 * second;
/**
 * A queue consumer lasts 15 minutes at most, and all that its seats have under way ends with it: whatever a seat still waits for is given
 * up before.
 */
export const seatLastsMs = 14.5 * minute;
/** A seat that has not opened by then is sent again on another shard. */
export const seatOpenMs = 3 * second;
/** … and when it was late on all of them and none has opened, each time after twice as long, up to this. */
export const seatOpenMsMax = 1 * minute;
/** Openings are remembered this long, to refuse their duplicates; a later one finds no ready task, or takes one. */
export const seatRememberedMs = 10 * minute;
/** An idle seat asks again within this time instead of closing, so that a chain or a fan-in needs no new seat. */
export const seatLingerMs = 500;
/** Seats of one queue batch: an invocation may have 6 connections that wait for headers. */
export const seatsPerBatch = 6;
/**
 * Queues that seats are sent through. A batch of long tasks holds its queue up until Cloudflare adds a consumer, which it
 * does only between batches: with so many, a busy tenant's seats leave most of them free.
 */
export const seatShards = 16;
/** A late seat goes this many shards on: odd, so that all come in turn; far, since a busy run's seats stand side by side. */
export const lateShardStep = 7;
/** Commands that share one commit: enough to spread its cost, few enough that none waits long for the others. */
export const commandsPerCommit = 16;
/** Commits after which a busy run lets the runtime look for new requests: some 20 ms, against a millisecond's pause. */
export const commitsInARow = 8;
/** A seat's message whose consumer ended without acknowledging it is delivered so often again: wrangler.toml says the same. */
export const seatRetriesMax = 3;
/** Dead letters of a run are told in a finding this often: a broken consumer makes one for each seat every few seconds. */
export const deadLettersToldEveryMs = 10 * minute;
/** Of a run's dead letters the newest are remembered, by which one that comes twice is known; twelve characters each. */
export const deadLettersRemembered = 1000;
/**
 * Calls of objects, fetches and statements of one invocation, as wrangler.toml asks for: the platform's own 10,000 would be used up within
 * a minute by six seats whose provider refuses at once, and all that the batch has under way would fail with them.
 */
export const subrequestsMax = 1_000_000;
/** Messages of one sendBatch (Cloudflare's limit; a seat's message is some 150 bytes, far below the 256 KB). */
export const queueBatchMax = 100;

// ---- fairness and shares of seats (src/fairness) ------------------------------------------------------------------------
/**
 * Seats of a deployment that are open at once, unless HEDDLE_SEATS says otherwise: sixteen queues with 250 consumers of six would be
 * 24,000, and no account at a provider serves that many; it is only who knows his account who can say it.
 */
export const deploymentSeatsDefault = 4000;
export const deploymentSeatsMax = 100_000;
/** What a run may open before its gate has answered for the first time: so that small runs never wait for that. */
export const newRunSeatsMax = 64;
/** What was used this long ago counts for a third: longer than most model calls, and short enough that nobody is long in debt. */
export const fairWindowMs = 2 * minute;
/** A second of a seat counts as so many tokens: little beside a model's hundred a second, and something where no model is called. */
export const seatSecondTokens = 10;
/** Before so much of a seat's time is known, what a seat of somebody burns is not told from it. */
export const burnKnownMs = 2 * second;
/** Who used less than others over the window gets up to so many times his share until he has caught up. */
export const catchUpMax = 2;
/** A run with a demand tells its gate of it this often, and at once when it could use more than it has, though not more often than the second. */
export const runReportEveryMs = 5 * second;
export const runReportAtOnceMs = 1 * second;
/** A run in which something happened, and which could use no seat, says how it is this often. */
export const runReportIdleMs = 30 * second;
/** A report that is not answered by then is given up, and made again. */
export const runReportWaitMs = 10 * second;
/** A tenant's gate with a demand asks the deployment's this often (DESIGN §3.9), and where it could use more than it was told, this often. */
export const gateAsksEveryMs = 30 * second;
/** So often while there are fewer seats than are wanted: who has come gets his share within this time. */
export const gateAsksScarceMs = 10 * second;
export const gateAsksAtOnceMs = 2 * second;
/** The first run of a tenant waits so long at most for what its tenant may have. */
export const gateAsksWaitMs = 1 * second;
/** A tenant's tokens of a day go to its runs in so many blocks or more, and not in smaller ones than this. */
export const tokenBlocksPerQuota = 100;
export const tokenBlockMin = 10_000;
/** A run that waits for its tenant's quota asks again this often: the quota may have been raised. */
export const quotaAskEveryMs = 30 * second;
/** What an operator has changed of a tenant's quotas holds at its gate within this at the latest. */
export const quotasKnownMs = 30 * second;
/** A run's bytes are written down anew where they differ by so much, and a tenant's sum of them in D1 this often at most. */
export const storedStepBytes = 256 * KiB;
export const storedToldEveryMs = 30 * second;
/** A claim that was not renewed is none any more: two of a tenant's reports may be lost. */
export const claimMs = 75 * second;
/** Claims that one gate remembers: beyond it those that were silent for longest are forgotten, until they speak. */
export const claimsMax = 10_000;

// ---- shared variables ------------------------------------------------------------------------------------------------
/** Each is an object of its own, which a run's deletion must reach. */
export const variablesPerRunMax = 10_000;
/** What an empty variable's object has stored, and how much more than was noted it may have: a run tells its gate what they have together. */
export const variableBytesLeast = 16 * KiB;
export const variableBytesStep = 64 * KiB;
/** Locks that one `acquire` takes together. */
export const lockNamesMax = 16;
/** Messages of a queue whose `create` nobody called (contract). */
export const queueCapacityDefault = 10_000;
export const queueCapacityMax = 100_000;
/** Messages in all queues of a run and of the pushes that wait for room in one: each costs the run's memory a few dozen bytes. */
export const queuedMessagesMax = 200_000;
/** Messages of one push, and of one pop. */
export const messagesPerCallMax = 1000;
/** One push's messages together, as JSON: an event's body. */
export const pushBytesMax = 1 * MiB;
/** A pop ends before this, or after its first message. */
export const popBytesMax = 512 * KiB;
/** Permits of one semaphore, parties of one barrier: far above `runWorkersMax`. */
export const permitsMax = 1_000_000;
export const partiesMax = 100_000;
/** Members that one wait at a barrier names. */
export const membersMax = 1000;
/** Futures of one await. */
export const futureNamesMax = 64;
/** Cycles of waits whose number a run remembers, and from which number on it says that one comes again and again. */
export const cyclesRemembered = 64;
export const cyclesReported = 3;
/** An actor session lasts so long after its last call or renewal. */
export const actorTtlMsDefault = 60 * second;
export const actorTtlMsMin = 1 * second;
export const actorTtlMsMax = 1 * hour;
/** Live sessions of one run. */
export const actorsPerRunMax = 1000;
/** Answers to a session's named calls that are kept for a repeat, the newest. */
export const actorCallsMax = 256;
/** What a task asks somebody outside: a question and what is needed to answer it, read in a dialog or on one screen. */
export const askCharsMax = 1000;
/** Waits that one stall names: who has to choose among more is helped by none. */
export const stallWaitsShown = 20;
/** Tasks named as the subjects of one finding. */
export const findingSubjectsMax = 100;
/**
 * A deleted variable knows for so long that it is, and for which run: what a queue consumer may last at all, so that no op that was
 * sent before the deletion can still be under way after.
 */
export const variableTombstoneMs = 15 * minute;
/** Variables that are looked at, or deleted, side by side. */
export const variablesAtOnce = 50;
/** A value in a variable, as JSON (contract). */
export const valueBytesMax = 128 * KiB;
/** The text of a shared_memory (contract). */
export const memoryBytesMax = 8 * MiB;
/** Characters of one read: as much as a value may have. */
export const memoryReadCharsMax = 128 * KiB;
/** Keys of a map, items of a list: an object's storage takes far more, but nobody reads through that. */
export const collectionEntriesMax = 1_000_000;
/** A page of entries or items ends after it. */
export const variablePageBytesMax = 512 * KiB;
export const mapKeyCharsMax = 1024;
/** Ops of variables that wait for the run's next event to stand in the log with it, some 100 bytes each; with more they get a row. */
export const usesWaitingMax = 500;
/** Ops that one event tells of: what a reader of one event gets stays small. */
export const usesPerEventMax = 200;
/** Characters of a key in the log before it is cut; a digest of the whole follows. */
export const usedKeyCharsMax = 100;

// ---- remote tools ----------------------------------------------------------------------------------------------------
/** Tools of one run: more than any model tells apart. */
export const remoteToolsMax = 64;
export const toolDescriptionCharsMax = 16 * KiB;
/** All of a run's tools together, as JSON: they are a part of each model request. */
export const remoteToolsBytesMax = 256 * KiB;
export const toolUrlCharsMax = 2048;
/** From a call to its result, waiting for a worker included. */
export const toolTimeoutMsDefault = 5 * minute;
export const toolTimeoutMsMax = 1 * hour;
/** Arguments of one call: more than a model writes in a reply; they travel with a lease. */
export const toolArgumentsBytesMax = 1 * MiB;
/** Calls of a run that have no result yet: each costs the run's memory some 300 bytes. */
export const openToolCallsMax = 10_000;
/** A worker's reports of one call's progress are told of this often: each is an event of the log. */
export const toolProgressEveryMs = 1 * second;
export const toolProgressCharsMax = 1000;
/** Workers tell of tasks' progress this often: it is for people who look, and each report is a call of the run's object. */
export const taskProgressEveryMs = 3 * second;
/** Of so many tasks of a run the progress is known: some 1 MiB of memory at the most, and more than run outside at once. */
export const toldProgressMax = 1000;
/** Seats of one run that carry out calls of urls at once: beside `limits.workers`, since the callers are parked. */
export const urlCallsAtOnce = 64;
/** One attempt of a url: below what a queue consumer may last at all (15 minutes). */
export const urlAttemptMsMax = 10 * minute;
/** Whether a call has timed out is its run's to say: a seat waits so much longer, so that there is one answer. */
export const urlGraceMs = 1 * second;
/** The answer of a url: a result and its envelope. What is over it is not read. */
export const urlAnswerBytesMax = resultBytesMax + 64 * KiB;

// ---- contexts ------------------------------------------------------------------------------------------------------
/** A results block in a context or tool result (contract). */
export const inlineResultBytesMax = 32 * KiB;
/** All results of one await_tasks reply together: a model's window is the bound that matters. */
export const inlineResultsBytesMax = 512 * KiB;
/** Results of one task's other dependencies together, in UTF-16 units: beside all that references put in, they fit a context. */
export const dependencyUnitsMax = 8 * MiB;
/** All that references put into one task's texts, in UTF-16 units: 128 KiB have room for 20,000 of them, each 32 KiB. */
export const referencedUnitsMax = 4 * MiB;
/** SQLite rows are limited to 2 MB in production (not locally): texts are cut in chunks well below it. */
export const rowBytesMax = 1_500_000;
/** Snapshots cached by a seat's isolate, which has 128 MB for everything. */
export const snapshotCacheBytes = 48 * MiB;
/** A context as a whole, in UTF-16 units: what fits a lease and so an RPC, whatever its characters. */
export const contextBytesMax = 14 * MiB;
/** Largest number of a turn that a request may name: none has that many. */
export const turnsNamedMax = 1_000_000;
/** Largest window that a `{last: n}` may name. */
export const lastTurnsMax = 1000;

// ---- log and checkpoints -------------------------------------------------------------------------------------------
/** One log row holds at most this before a command's events go on in the next: reading one event must stay cheap. */
export const logRowBytes = 64 * KiB;
export const checkpointTailRows = 2000;
export const checkpointTailBytes = 4 * MiB;
export const checkpointPageTasks = 500;
/** Parsed log rows kept in memory for dispatch. */
export const logCacheBytes = 2 * MiB;
/** Those of them that are looked through before storage is asked which row it is. */
export const logRowsNearMax = 8;

// ---- runs as files: export and import ------------------------------------------------------------------------------
/** A longer line is cut into pieces of this many UTF-16 units, so that no reader has to hold a whole context. */
export const exportPieceChars = 512 * KiB;
/** What one call of the run's object answers of an export; an RPC takes 32 MiB, at two bytes a unit. */
export const exportPageChars = 4 * MiB;
/** Variables whose contents exports of a run hold at once, a page of each: of as many readers at the same time. */
export const exportReadingsHeld = 2;
/** Snapshots whose names one look into storage takes, some 4 MB of memory: it goes through all of the run's each time, since they have no index by age. */
export const exportSnapshotsPerLook = 10_000;
/** A run that goes on while it is exported is replayed once, in memory beside itself; beyond this it must rest meanwhile. */
export const exportReplayTasksMax = 50_000;
/** What one call of the run's object answers of its log for a fold, in UTF-16 units, and the rows that it looks through at most. */
export const logPageChars = 2 * MiB;
export const logPageRows = 5000;
/** A fold is refused beyond so many events: with some 250 bytes for each, it stays within half of an isolate's memory. */
export const foldEventsMax = 250_000;
/** A trace is streamed and keeps a few numbers an event, so it takes longer logs. */
export const traceEventsMax = 1_000_000;
/** Tasks that go on are told of at a trace's end so many at a time: each has two spans with some forty attributes, and a run has 200,000. */
export const traceTasksPerPiece = 200;
/** Spans of a run that goes on reach the collector this often; in one request come at most so many, or a little more than so much text. */
export const tracePushEveryMs = 10 * second;
export const traceBatchSpans = 512;
export const traceBatchChars = 1 * MiB;
/** Each push reads the log from its beginning, some 5 microseconds an event: a long one is pushed less often, so that it stays under 3 %. */
export const tracePushMsPerEvent = 0.2;
/** A collector that has not answered by then (OpenTelemetry's own default), and how much of its answer is read. */
export const traceAnswerMs = 10 * second;
export const traceAnswerBytesMax = 64 * KiB;
/** One push lasts about so long, then the next takes over; one that has not reported for the second is given up. */
export const tracePushMs = 60 * second;
export const tracePushLeaseMs = 60 * second;
/** An object that was loaded anew waits so long: a push that an earlier life of it began may still report. */
export const tracePushReportMs = traceAnswerMs + 5 * second;
/** While less than this is left until a push, the run's object stays in memory: the longest log's pushes are 200 s apart. */
export const traceStayMsMax = 4 * minute;
/** A collector that is away is asked again after this, each time after twice as long. */
export const traceRetryMsMin = 1 * second;
export const traceRetryMsMax = 5 * minute;
/** What has waited for so long for a collector that takes nothing is dropped. */
export const traceGiveUpMs = 6 * hour;
/** Types and wildcards that one webhook names. */
export const webhookChoicesMax = 32;
/** A webhook's messages leave this often while there are new ones: those that come closer together share a push, and its calls. */
export const webhookEveryMs = 1 * second;
/** Messages of a push's part, and how many are under way at once: an endpoint sees no more of one run than that. */
export const webhookBatch = 20;
export const webhookLanes = 4;
/** An endpoint is to answer at once and do its work afterwards; how much of its answer is read. */
export const webhookAnswerMs = 15 * second;
export const webhookAnswerBytesMax = 4 * KiB;
/** A push that has not begun by then is lost: another ticket is sent. */
export const webhookOpenMs = 10 * second;
/** A push takes part after part for so long, then the next takes over; one that has not reported for the second is given up. */
export const webhookPushMs = 60 * second;
export const webhookPushLeaseMs = (webhookBatch / webhookLanes) * webhookAnswerMs + 15 * second;
/** Pauses between attempts at a message, the last one over and over; a `retry-after` counts up to the last one. */
export const webhookRetryMs: readonly number[] = [
  ...[5 * second, 30 * second, 2 * minute, 10 * minute, 30 * minute],
  ...[1 * hour, 2 * hour, 4 * hour, 6 * hour],
];
export const webhookRetryMsMax = 6 * hour;
/** A message that nobody has taken by then has failed; an endpoint that has taken nothing for so long is asked no more. */
export const webhookGiveUpMs = 48 * hour;
/** The last ones of a message, as its delivery tells them. */
export const webhookAttemptsKept = 10;
/** A larger result is left out of its message: it is read from the task. */
export const webhookResultBytesMax = 16 * KiB;
/** How old a signature may be where a receiver checks it, as Standard Webhooks recommends. */
export const webhookToleranceMs = 5 * minute;
/** Events that one look for new messages goes through: the run's object does nothing else meanwhile. */
export const webhookScanEvents = 5000;
/** Segments of the critical path that an answer shows, the longest ones of a longer path. */
export const pathSegmentsMax = 1000;
/** Variables for which an answer tells what the run would have taken without them: each is one pass through the graph. */
export const foldVariablesMax = 10;
/**
 * Happens-before of a log: nodes of its clocks that are made at most, a second of work. Some thirty for what a task lets another
 * know after ops of its own; beyond it the rest of the log is not judged.
 */
export const clockNodesMax = 5_000_000;
/** Tasks whose ops are compared, likewise: what is kept of each is 1 to 2 kB, in an isolate that has 128 MB for everything. */
export const raceTasksMax = 30_000;
/** Places in variables (keys, items, texts) whose newest accesses are remembered; then a new one takes that of its variable's least recent. */
export const racePlacesMax = 50_000;
/** Places that are looked through for reads of ranges, likewise: a second of work. */
export const raceLooksMax = 20_000_000;
/** Accesses of one place, or of ranges of one variable, that are remembered beside its newest write; places of one variable that are told. */
export const raceAccessesMax = 64;
/** Points of the curve of tasks at work over time: what a screen shows. */
export const parallelismPointsMax = 120;
/** One line of an imported file: a piece of `exportPieceChars`, escaped twice, fits. */
export const importLineBytesMax = 8 * MiB;
/**
 * Pieces of one line before its last, 48 MiB: a context whose every character is escaped has 56, a text of a shared_memory with six
 * characters for each of its own all of them. They are in memory together.
 */
export const importPiecesMax = 96;
/** Lines that one call of the object takes in, by their UTF-16 units. */
export const importBatchChars = 4 * MiB;
/** A whole imported file: an object's storage takes 10 GB. */
export const importBytesMax = 1024 * MiB;
/** An import that nothing was added to for so long is dropped. */
export const importIdleMs = 1 * hour;
/** Clocks of two deployments differ a little; an event further in the future would hold this one's clock. */
export const importSkewMs = 1 * minute;
/** The last request of a large import takes this long beyond an ordinary call: the log is replayed. */
export const importWaitMs = 2 * minute;
/** Lines of a file that one request of the command line and the client sends: half of what a body may have. */
export const importRequestBytes = 8 * MiB;

// ---- model calls ---------------------------------------------------------------------------------------------------
/** A call's maximal output where `params` names none (contract). */
export const outputTokensDefault = 8192;
export const outputTokensSimulated = 1024;
/** The least that Anthropic takes for `thinking.budget_tokens`. */
export const thinkingTokensMin = 1024;
/** The least that OpenAI's Responses API takes for the limit of a reply. */
export const responsesOutputTokensMin = 16;
/** Which models an isolate remembers to ask by that API: names, addresses and keys, which tenants choose. */
export const responsesModelsBytes = 64 * 1024;
/** A task whose simulated model is out of reach is given back after this, so that it does not spin. */
export const simulatedAwayMs = 1 * second;
/** No byte from the provider for this long ends the call as `provider_timeout`; `HEDDLE_MODEL_IDLE_MS` between the bounds. */
export const modelIdleMs = 5 * minute;
export const modelIdleMsMin = 100;
/** What a queue consumer may last at all. */
export const modelIdleMsMax = 15 * minute;
/** Tool calls of one reply: models make a few dozens, and what each is answered has to fit a seat's memory, all together. */
export const replyCallsMax = 1000;
/** Bytes of one streamed reply, events' envelopes included: far above any output limit, so only a broken provider meets it. */
export const modelReplyBytesMax = 64 * MiB;
/** A provider's error text as shown in a task's error; some answer with whole HTML pages. */
export const faultMessageCharsMax = 500;
/** Of it, and of what it is called, as far as they are read for what they mean: long before, every provider has said it. */
export const faultReadCharsMax = 4096;
/** Anthropic refuses a request with more `cache_control` marks than this. */
export const anthropicCacheMarksMax = 4;

// ---- money and prompt caches ------------------------------------------------------------------------------------------
/**
 * Dollars per million tokens that a price list may name: five times the dearest there has been. A call that reports the most tokens of
 * every kind is still a safe integer in nanodollars: else a run's export could not be taken in again.
 */
export const priceUsdMax = 3000;
/** A picodollar a token: what is less would count as nothing. Mostly it is the price of one token. */
export const priceUsdMin = 0.000_001;
/** `HEDDLE_PRICES`: a variable of the platform holds 5 KB, a secret a little more; locally an environment's. */
export const pricesTextCharsMax = 64 * KiB;
/** Models of a tenant's own price list: each of its runs keeps a copy, some 20 KB at most. */
export const tenantPricesMax = 100;
/** Dollars of one run: in nanodollars a safe integer, with room. */
export const runUsdMax = 1_000_000;
/** Vendors cache no prefix shorter than this; some models begin later (src/prices/table.ts). */
export const cacheableTokensDefault = 1024;
/** Models without a price that a run names. */
export const unpricedModelsMax = 16;
/** Output that a projection assumes for each task's first call: a paragraph or a few tool calls. */
export const projectedOutputTokens = 500;
/** How long a vendor keeps a prefix after its last use: Anthropic's five minutes, the least of what OpenAI says. */
export const cacheTtlMs = 5 * minute;
/** Lineages whose caches a run follows; the one that was used least recently is forgotten first. */
export const lineagesMax = 128;
/** Lineages that a run shows, those with the most tokens. */
export const lineagesShown = 16;
/** Longest time for which siblings of a cold prefix are held, where `limits.warm_ms` does not say. */
export const runWarmMsDefault = 30 * second;
export const runWarmMsMax = 10 * minute;
/** What a run's delay is worth: $36 an hour, as somebody who waits for it is. */
export const delayNanosPerMs = 10_000;
/** When a cold prompt's first token is expected: a constant, and reading 20,000 tokens a second. */
export const firstTokenMs = 500;
export const firstTokenMsPerToken = 0.05;
/** A hold lasts at most so many times what was expected. */
export const warmPatience = 4;

// ---- fork: "auto" ------------------------------------------------------------------------------------------------------
/** A context of so many tokens is forked whole: to leave anything out saves less than a cent or two. */
export const forkAutoSmallTokens = 16_000;
/** A larger one leaves too little room to work in the smallest window in common use, 200,000 tokens. */
export const forkAutoRoomTokens = 150_000;
/** What is kept of a context that is cut. */
export const forkAutoTailTokens = 16_000;
/** What the whole context may cost more than what is left of it, for each task: five cents. */
export const forkAutoExtraNanos = 50_000_000;
/** Without a price: the share of the context that may be cold. */
export const forkAutoColdShare = 0.1;
/** Instructions that need no more than themselves. */
export const forkAutoOwnTokens = 1000;
/** Tasks that a note names before it only counts. */
export const noteNamesMax = 8;

// ---- rules in Markdown (src/rules) -----------------------------------------------------------------------------------
/** A file of rules: some thousand lines of prose; it stands in the run's log. */
export const rulesCharsMax = 64 * KiB;
/** Rules of one file: each is in the run's state, and those with a condition are looked at again and again. */
export const rulesMax = 100;
/** One bullet, with the lines that it goes on over. */
export const ruleCharsMax = 500;
/** Errors that are told of one file, and notes. */
export const rulesErrorsMax = 20;
/** Letters that a word may be off by, for "did you mean"; short words have one. */
export const typoLettersMax = 2;
/** A condition is looked at over so long, and changes its mind no more often, where the rule names no time. */
export const ruleWindowMsDefault = 1 * minute;
export const ruleWindowMsMin = 1 * second;
export const ruleWindowMsMax = 1 * hour;
/** What a rule says of a run's whole time: far above what anybody waits for. */
export const ruleRunMsMax = 30 * 24 * hour;
export const secondMs = second;
/** A window's model calls are counted in so many parts, of a second at least: it ends as far off as a twelfth of itself. */
export const ruleWindowParts = 12;
/** Fewer model calls within a window say nothing of a provider. */
export const ruleSamplesMin = 5;
/** Starts within a window from which the time in the queue is told, the newest. */
export const ruleStartsMax = 256;
/** How long ready tasks have waited is looked at this often: it takes a look at all of them. */
export const ruleWaitsEveryMs = 1 * second;
/** Pull workers whose loads a run with a rule about them remembers. */
export const ruleLoadsMax = 64;
/** Looks that a trial takes at conditions between two events of a log: what only time makes true becomes so within them, or at the next event. */
export const ruleTimersInARow = 200;
/** Halvings, or doublings, by one rule: from 1,000 workers to one, and back. */
export const ruleLevelsMax = 10;
/** A load that differs by less, in percent, is no news. */
export const ruleLoadStep = 5;

// ---- the simulated model (local mode only) -------------------------------------------------------------------------
/** Anthropic takes request bodies of 32 MB; a context (24 MiB) with its tools fits. */
export const simulatedBodyBytesMax = 32 * MiB;
/** Longest `latency_ms`: what a queue consumer may last at all. */
export const simulatedLatencyMsMax = 15 * minute;
/** A streamed reply that lets one wait longer than this sends pings meanwhile, as vendors do; below it, not a byte. */
export const simulatedPingMs = 60 * second;
/** `retry-after` of a scripted 429, in whole seconds: the shortest that the header can say. */
export const simulatedRetryAfterS = 1;
/** Prompt prefixes that an isolate remembers as cached, least recently used out first; a number and a key each, some 5 MB. */
export const simulatedPrefixesMax = 65_536;
/** Pieces that a scripted text or argument object is streamed in. */
export const simulatedPiecesMax = 4;

// ---- tenants and keys ----------------------------------------------------------------------------------------------
export const keysPerTenantMax = 1000;
/** That a key was used is written down this often: a row each time, and nobody needs to know it to the second. */
export const keyUsedEveryMs = 1 * minute;
/** After a rotation the old key works so much longer: a working day to bring the new one everywhere; at most a month. */
export const keyOverlapMsDefault = 24 * hour;
export const keyOverlapMsMax = 30 * 24 * hour;
/** Times that a request may name: what JSON and Date both know. */
export const timeMax = 8_640_000_000_000_000;
/** Credentials at providers of one tenant: one for each team and model, and room. */
export const credentialsPerTenantMax = 64;
/** The longest keys in use are tokens of some 2,000 characters. */
export const credentialCharsMax = 4096;
/** A key that is shorter shows nothing of itself: four characters would be too much of it. */
export const shownKeyCharsMin = 12;
/** A seat's isolate asks for a credential this often at most: so long a deleted one may still be used. */
export const credentialCacheMs = 10 * second;
/** What it keeps of them: sealed, some hundreds of bytes each. */
export const credentialCacheBytes = 1 * MiB;
/** Credentials that one request seals anew, and how many of those that it can't open it names. */
export const resealMax = 500;
export const unreadableShownMax = 20;
/** Runs that one step of a tenant's deletion looks at, and how long it begins with more of them: a request waits for it. */
export const tenantRunsPerStep = 120;
export const tenantStepMs = 10 * second;
/** Live runs that are visited at once when a tenant's rules change, and how long more of them are begun with: the request waits for it. */
export const tenantRulesRunsPerStep = 200;
export const tenantRulesStepMs = 5 * second;
/** The command line asks for the next step after this, and gives up where there was no progress for so long. */
export const tenantDeletionPauseMs = 1 * second;
export const tenantDeletionPatienceMs = 90 * second;
/** A client waits so much longer for such a step. */
export const tenantDeletionWaitMs = 60 * second;
/** Deletions that one sweep carries on, one after another. */
export const tenantsPerSweep = 5;
/** Requests of a tenant's quota that were not made are kept for so long: a page that opens asks ten times at once. */
export const rateBurstS = 2;
/** Tenants whose requests an isolate counts; beyond it all begin anew, which costs each tenant's quota one burst. */
export const rateBucketsMax = 10_000;
export const requestsPerSecondMax = 100_000;
/** Whoever has as many live runs as it may comes back after this: nobody knows when one of them ends. */
export const runsQuotaRetryS = 60;
/** Audit entries are kept so long: a year's review, and a month to do it in. */
export const auditMs = 400 * 24 * hour;
/** Entries that one sweep drops: there are few acts, and a sweep is to be short. */
export const auditDropMax = 1000;

// ---- calls of objects ----------------------------------------------------------------------------------------------
/** An object that was away is asked this often, waiting a step longer each time: a restart takes less than a second. */
export const objectTries = 4;
export const objectRetryMs = 100;

// ---- alarms --------------------------------------------------------------------------------------------------------
/** Alarms may be late by a minute; every call re-arms one that is overdue by this. */
export const alarmOverdueMs = 5 * second;
/** One that has not rung so long after its time never will: the platform's are late by a minute at most. */
export const alarmUnheardMs = 2 * minute;
/** A gate, an index or a variable's object that did not answer is told again after this. */
export const effectRetryMs = 5 * second;
/** A run's word to the index, its repeats included, has arrived after this: what the index says otherwise then is wrong. */
export const indexSettledMs = 2 * minute;
/** A running task's object is swept at least this often, whatever the alarm did. */
export const sweepEveryMs = 1 * minute;

// ---- client and command line ---------------------------------------------------------------------------------------
/** The client repeats a safe call for this long: a restart of a local server takes three to five seconds. */
export const clientRetryMs = 30 * second;
export const clientBackoffMsMin = 100;
export const clientBackoffMsMax = 5 * second;
/** A socket that says nothing is asked whether it still stands this often, and given up when nothing comes for so long. */
export const socketPingMs = 20 * second;
export const socketSilentMs = 50 * second;
/** No answer within this, beyond what a long poll waits on purpose, counts as no connection. */
export const clientAttemptMs = 30 * second;
/** Who waits for tasks and wants to know of pauses asks this often. */
export const pauseLookMs = 5 * second;
/** An abort waits so long for what it gives back, as a place in a lock's queue: beyond it goes on by itself. */
export const lettingGoMs = 1 * second;
/** Tasks that one `heddle work` process runs at once. */
export const workConcurrencyMax = 256;
/** One poll for leases: a worker that dies in the middle can cost a granted lease, and an idle one a request this often. */
export const workPollMs = 10 * second;
/** While all places are taken: how often a worker asks which of its tasks are blocked. */
export const workBlockedCheckMs = 1 * second;
/** A worker measures its machine this often, and its use of processors over so many samples: a burst is no load. */
export const loadSampleMs = 1 * second;
export const loadWindowSamples = 4;
/** Above this share of its machine a worker leases nothing more while it runs something (`--max-load`, in percent). */
export const maxLoadPercentDefault = 90;
/** It leases again when the load has fallen this far below. */
export const loadHysteresis = 0.1;
/** A worker that asks for no work says so often that it is there, and its load. */
export const loadReportEveryMs = 10 * second;
/** Where output is no terminal, that the machine is busy is said at most this often. */
export const busyNoteEveryMs = 1 * minute;
/** As much of the end of a command's report file is read. */
export const reportFileBytesMax = 16 * KiB;
/** A tool process that died is started again after this, each time after twice as long; one that lived longer begins anew. */
export const toolRestartMsMin = 500;
export const toolRestartMsMax = 30 * second;
/** A line of a tool process: a result and its envelope, which may be written with white space. */
export const toolLineBytesMax = 2 * resultBytesMax + 64 * KiB;
/** Calls that a tool process was told to drop, whose late answers are passed over. */
export const droppedCallsMax = 1000;
/** What a worker that is told twice to stop still spends on handing a task over. */
export const workLastCallMs = 3 * second;
/** A blocked tool call of a command gives its place to another, up to this many times the concurrency (contract). */
export const workBlockedFactor = 4;
/** Calls that `heddle run --workspace` carries out at once, beside what else it does. */
export const runWorkspaceConcurrency = 4;
/** A command that is told to stop gets this long before it is killed. */
export const workKillMs = 5 * second;
/** The end of a failed command's stderr, as shown in its task's error. */
export const workStderrTailBytes = 4 * KiB;
/** A path that a workspace tool takes: what Linux takes. */
export const pathCharsMax = 4096;
/** Files that workspace tools read, write and search; what is larger is data, not text for a model. */
export const workspaceFileBytesMax = 8 * MiB;
/** One read of a file, as JSON: below `inlineResultBytesMax` with its envelope, so that the model sees all of it. */
export const workspaceReadBytesMax = 28 * KiB;
/** A line as a search shows it. */
export const workspaceLineCharsMax = 300;
/** Rows of list_files and search. */
export const listFilesMax = 2000;
export const listFilesDefault = 500;
export const searchMatchesMax = 500;
export const searchMatchesDefault = 100;
/** Looking through files ends after this, with what was found by then; it runs apart, within this much memory. */
export const lookMsMax = 10 * second;
export const lookHeapMiBMax = 256;
export const globAlternativesMax = 64;
/** What is kept of the beginning and of the end of a command's output; together, a model is shown all of it. */
export const commandHeadBytes = 8 * KiB;
export const commandTailBytes = 16 * KiB;
export const commandTimeoutMsDefault = 2 * minute;
export const commandTimeoutMsMax = 10 * minute;
/** A command is stopped so long before its call times out: what it wrote until then is still delivered. */
export const commandSpareMs = 5 * second;
/** Answers of calls that change something, kept for a call that is tried again after its answer was lost. */
export const callAnswersMax = 256;
/** The cron sweep reads the run index by pages and loads a few runs at a time: an invocation has 6 connections. */
export const sweepPageRuns = 200;
export const sweepRunsAtOnce = 6;
/** A run that does not answer the sweep within this is passed over: it must not hold up all that come after it. */
export const sweepCallMs = 10 * second;
/** Runs that one pass of the sweep visits: a visit is four calls at most, and statements of D1, of which an invocation has 1,000, are a page's. */
export const sweepPassRuns = 1500;
/** How long one pass goes on; what it has not come to is visited by the next. All passes end within the cron's minute. */
export const sweepPassMs = 20 * second;
/** Passes in a row that could not visit a run, before its operator is told, and it comes after those that answer. */
export const sweepFailuresReported = 3;
/** Runs that could not be visited which are remembered, and for how long after the last visit that failed. */
export const sweepFailuresMax = 10_000;
export const sweepFailureKeptMs = 24 * hour;
/** Of them, those that a line of the log, and an answer, name. */
export const sweepFailuresNamed = 10;
export const sweepFailuresShown = 100;
/** An alarm whose work failed rings again after this, twice as late each time, at most at the sweep's pace: the platform's own six tries would end. */
export const alarmRetryMs = 1 * second;
/**
 * Runs that a pass of the meter asks, and that one asks that somebody waits for, and how many at once: an invocation has 6 connections, and
 * D1 is one of them. A few thousand busy runs are metered every few minutes so; a pass is a thousand calls and two hundred statements at most.
 */
export const meterRunsPerPass = 1000;
/** How long a pass goes on: objects that don't answer must not keep the cron from what comes after it. */
export const meterPassMs = 60 * second;
export const meterRunsPerQuestion = 600;
/** … for so long at most: objects that have to be loaded take longer, and clients wait. */
export const meterQuestionMs = 10 * second;
export const meterRunsAtOnce = 5;
/** A live run that has logged nothing for so long is not asked until it does: it costs a word to the index when it falls silent, and one when it goes on. */
export const meterQuietMs = 5 * minute;
/** Of a log, what one transaction of D1 takes: rows read, events, and rows of usage written. */
export const meterPageRows = 5000;
export const meterPageEvents = 10_000;
export const meterRowsMax = 50;
/** Such stretches in one call: the rest comes with the next pass. */
export const meterPagesPerCall = 20;
/** Deleting a run meters it at most so many times over; one that still logs more then is not deleted yet. */
export const meterTriesOfDeletion = 10;
/** How far back, and over what time, usage is summed up. */
export const usageDaysDefault = 30;
export const usageDaysMax = 400;
/** A row of the run index without an object is removed when it is older than any creation could take. */
export const orphanRowMs = 1 * minute;
/** `heddle run` reads the run for its display at most this often, and this often where the log is silent. */
export const watchEveryMs = 200;
export const watchIdleEveryMs = 5 * second;
/** After so long without an answer a display says so: a restart of a local server takes about as long. */
export const watchAwayMs = 5 * second;
/** Ready tasks of which none has begun for so long have nobody to run them: a worker's poll answers at once. */
export const watchUnservedMs = 10 * second;
/** `heddle top` draws, and reads the run when something happened, this often: as fast as people read. */
export const topRefreshMs = 500;
/** Where it has no screen it prints a line this often. */
export const topEverySecondsDefault = 5;
export const topEverySecondsMax = 86_400;
/** Tasks whose names it asks for at each look: there are more on no screen that anybody reads. */
export const topNamesAtOnce = 20;
/** Its events a second are those of so many seconds, and it shows so many findings, the latest. */
export const topRateSeconds = 10;
export const topFindings = 5;
/** A command says that it can't reach the server after this: longer than a local server's restart, shorter than patience. */
export const cliReachMs = 6 * second;
/** Rows that `heddle runs` and `heddle show` list where nobody says how many: what a screen has room for, and some. */
export const runsListedDefault = 20;
export const tasksShownDefault = 50;
/** Who completes a word waits no longer for names that the server knows, and reads no more of them. */
export const completionMs = 1500;
export const completionNamesMax = 100;
/** `heddle doctor` waits so long for one answer. */
export const doctorAttemptMs = 5 * second;
/** Clocks of machines that are set by the network differ by less. */
export const clockSkewMs = 5 * second;
/** The oldest Node that the command runs on; package.json's `engines` says the same. */
export const nodeMajorMin = 18;
/** Where its output is no terminal, progress is a line at most this often: it is read later, if at all. */
export const plainProgressEveryMs = 2 * second;

/** Billing: an hour becomes events when it has been over for so long, since most of its usage is metered by then. */
export const billingSettleMs = 5 * minute;
/** Hours of tenants that one pass makes events of, each one transaction, and events that it sends. */
export const billingHoursPerPass = 200;
export const billingEventsPerPass = 500;
/** Sent side by side, as one batch between two writes to D1: an invocation has 6 connections. */
export const billingEventsAtOnce = 5;
export const billingPassMs = 20 * second;
/** A client waits so much longer for a pass that it asks for: runs are metered before. */
export const billingPushWaitMs = 60 * second;
export const billingAnswerMs = 10 * second;
export const billingAnswerBytesMax = 16 * KiB;
/** A batch that was taken to be sent and of which nothing is known since, as after a crash, is sent again after this: twice what answers may take. */
export const billingClaimMs = 20 * second;
export const billingRetryMsMin = 30 * second;
export const billingRetryMsMax = 1 * hour;
/** Providers know a repeated identifier for a day at least: what may have been taken is not sent again by itself after this. */
export const billingDoubtMs = 23 * hour;
/**
 * An hour so old is billed no more, and what was told of it is dropped, so many events a pass: providers take none that are older than weeks,
 * and usage is summed up over no longer a time.
 */
export const billingKeptMs = usageDaysMax * dayMs;
export const billingDroppedPerPass = 200;
/** Of a provider's id of a customer. */
export const customerCharsMax = 255;

// ---- harnesses: `heddle work --harness` ---------------------------------------------------------------------------------

/** A longer line of a harness's stream is passed over: it is a tool's output, and no result (1 MiB) is in it. */
export const harnessLineBytesMax = 8 * MiB;
/** A harness that met a rate limit and did not say for how long is given this; what runs meanwhile goes on. */
export const harnessRetryAfterMs = 1 * minute;
/** A worker's report of what one turn or task cost in US dollars is at most this: a sum of such stays exact in nanodollars. */
export const reportedUsdMax = 10_000;
/** Of so many tasks a worker knows the harness's session, for their own tasks to begin with: more than are under way on one machine. */
export const harnessSessionsMax = 10_000;
/**
 * No count of tokens that a worker or a provider tells of one turn or task is taken for more: a thousand times what any context holds,
 * and millions of such stay exact in a sum.
 */
export const reportedTokensMax = 1_000_000_000;
/** As much of what a harness is doing is shown at once. */
export const harnessProgressCharsMax = 200;
/** As much of a task's JSON Schema fits into what the harness is told is wrong with its answer. */
export const harnessComplaintCharsMax = 2000;
/** Git has this long for one step; a large repository's worktree takes seconds. */
export const gitStepMs = 2 * minute;
/** A worker waits so long for another's merge into the same repository. */
export const mergeTurnMs = 5 * minute;
/** Taking away the lock of a worker that is gone takes milliseconds; whoever is at it for so long was killed. */
export const lockBreakMs = 10 * second;

// ---- availability: what providers and the platform can take (src/availability) -------------------------------------
/** A refusal leaves this part of what was under way: small cuts, since the place of the last refusal is known. */
export const limitCut = 0.9;
/** Below this part of it, a limit grows by a call for each that goes through. */
export const limitSlowStart = 0.7;
/** Calls that go through before the place of the last refusal is tried again: at first, and at most. */
export const limitPatienceCallsMin = 16;
export const limitPatienceCallsMax = 128;
/** … and at most so many round trips, so that a small limit is tried often enough: then one call in 64 may be refused. */
export const limitPatienceRounds = 64;
/** A limit does not grow while first tokens take so many times what is usual. */
export const slowFirstTokens = 2;
/** Gaps between calls at a limit of 1: the least that is worth keeping, and the most, since others may leave room at any time. */
export const gapMsMin = 10;
export const gapMsMax = 5 * second;
/** Calls that go through at most before a gap is made smaller: at one call in seconds, more would be minutes. */
export const gapPatienceCallsMax = 16;
/** Buckets of requests and tokens are full after this where their headers don't say: they are per minute. */
export const rateFullMs = 1 * minute;
/** A bucket that says that it is full later than this is taken as full then. */
export const rateResetMsMax = 24 * hour;
/** How much the newest call counts in what a call uses. */
export const rateSmoothing = 0.1;
/** The log tells of a limit no more often than this, and only of a change by such a part of it. */
export const availabilityToldEveryMs = 5 * second;
export const availabilityToldPart = 0.25;
/** Tasks that only time holds back are looked at so often at most: an alarm is a row. */
export const availabilityStepMs = 250;
/** A task between two turns waits with its seat for so long at most when its provider wants a pause, else it gives the seat back. */
export const turnPauseMs = 1 * second;
/** A seat without work stays so long at most for tasks that only time holds back. */
export const seatLingerForTimeMs = 5 * second;
/** Refusals between two turns that use up none of a task's retries, since others of its run were under way. */
export const refusalsUncountedMax = 5;
/** So many calls of a model under way are a crowd: fewer find their limit within a task's retries. */
export const refusedCrowdMin = 5;
/** Models of one run with a limit of their own. */
export const modelsLimitedMax = 64;
/** A run that was refused tells its tenant's gate so often how its limits stand, while it calls: a call and a row, against refusals. */
export const limitReportEveryMs = 2 * second;
/** One that has said nothing for so long has no share: several reports were lost, or its object is gone. */
export const limitClaimMs = 15 * second;
/** A share is moved by no less than this part of a call. */
export const limitWorthMoving = 0.5;
/** Credentials' models that one tenant's gate shares out at once. */
export const limitsSharedMax = 256;
/** A command of a seat that takes so long says that the run's object has too much to do. */
export const objectSlowMs = 5 * second;
