/**
 * Every limit of the system, each with its reason. A limit that is exceeded is answered with an error that names the
 * field and the limit; nothing is cut off silently.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

// --- Names and texts -------------------------------------------------------------------------------------------------

/** Tenant names appear in every id, key and blob path; 15 leaves room for the rest of a 128-character MessageId. */
export const TENANT_NAME_MAX_LENGTH = 15;
/** Names people read: a job's, a batch's, a job type's. Long enough for a title, short enough for a table on a page. */
export const DISPLAY_NAME_MAX_LENGTH = 200;
/** A package is a blob name below its tenant, and part of timer names that Service Bus caps at 50 characters. */
export const PACKAGE_NAME_MAX_LENGTH = 100;
/** Pool names are part of queue and scale set names. */
export const POOL_NAME_MAX_LENGTH = 20;

// --- Requests --------------------------------------------------------------------------------------------------------

/** A JSON body of the web API. Bulk submits of small jobs fit; large inputs belong into a blob the job reads. */
export const REQUEST_BODY_MAX_BYTES = 16 * MiB;
/** Parameters of one job, as JSON text. Larger input belongs into a blob that the parameters name. */
export const PARAMETERS_MAX_BYTES = 1 * MiB;
/**
 * Parameters up to this size travel in row and message; larger ones lie in `job-input`. 99 rows of this size, escaped
 * in a JSON request, stay below the 4 MiB a table transaction may have, and a message below the 256 KiB of Standard tier.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
 */
export const PARAMETERS_INLINE_MAX_BYTES = 12 * KiB;
/** Nesting of a JSON body: deeper ones are no parameters but an attack on recursive code. */
export const JSON_MAX_DEPTH = 64;
/** Jobs in one bulk submit: what one request can insert and enqueue well within its timeout. */
export const SUBMIT_MAX_JOBS = 10_000;
/**
 * One line of a streamed submit: parameters of the largest size with room for the other fields, and for escapes where
 * they need them. A line is held whole in memory.
 */
export const SUBMIT_LINE_MAX_BYTES = 2 * MiB;
/** Lines of a streamed submit that are read ahead while those before them are written: some full transactions. */
export const SUBMIT_LINES_WAITING_MAX_COUNT = 500;
export const SUBMIT_LINES_WAITING_MAX_BYTES = 4 * MiB;
/**
 * Results of a streamed submit that wait for their reader before no more lines are taken. All ids of one request fit, so
 * that a client may first send everything and then read.
 */
export const SUBMIT_RESULTS_WAITING_MAX_BYTES = 2 * MiB;
/** A job's own id, chosen by its submitter: a number, a path or a UUID of theirs, with room for a prefix. */
export const CLIENT_JOB_ID_MAX_LENGTH = 128;
/** An `Idempotency-Key`: longer ones are no keys but content. */
export const IDEMPOTENCY_KEY_MAX_LENGTH = 255;
/** How long an `Idempotency-Key` is remembered: over a long weekend, in which a caller's queue may stand still. */
export const IDEMPOTENCY_KEY_DAYS = 7;
/** Jobs named in one request to requeue: a read and a write for every one. More: requeue their batch. */
export const REQUEUE_MAX_JOBS = 1_000;
/**
 * A job may be told to start this far ahead, and a delay be this long: a year, its longest form included. Whoever plans
 * further ahead plans a schedule; and rows and messages are not kept for decades.
 */
export const START_AHEAD_MAX_MS = 366 * 24 * 60 * 60_000;
/** Time to live in the queue: under a second a healthy system would expire jobs by chance; see above for the maximum. */
export const TIME_TO_LIVE_MIN_MS = 1_000;
export const TIME_TO_LIVE_MAX_MS = 366 * 24 * 60 * 60_000;
/**
 * Batches of the day of one tenant: closing or canceling one begins the next. Each submit without a batch reads all that
 * are sealed.
 */
export const DEFAULT_BATCHES_PER_DAY_MAX = 100;
/**
 * One request to cancel or requeue a batch works on its jobs this long, then answers that there are more. Some 100,000
 * jobs; below the 100 to 240 seconds after which proxies and gateways give up.
 */
export const BATCH_COMMAND_MAX_MS = 60_000;
/** Dead letters one request looks through for those of its caller: twenty answers of the broker. */
export const DEAD_LETTERS_MAX_LOOKED_AT = 5_000;
/** A dead letter can be removed when fewer than this many lie before it: they have to be locked to get at it. */
export const DEAD_LETTERS_MAX_LOCKED = 1_000;
export const PAGE_SIZE_MAX = 1_000;
export const PAGE_SIZE_DEFAULT = 100;
/** A page token is an encoded table key; anything longer was not made by us. */
export const CONTINUATION_TOKEN_MAX_LENGTH = 2_000;

/** A log is followed so long in one request. Whoever wants more asks again from where it stands. */
export const FOLLOW_LOG_MAX_MS = 60 * 60_000;
/** Logs that are followed at one API instance: each costs two reads of storage a second or two apart. */
export const FOLLOWED_LOGS_MAX_COUNT = 2_000;
/** ... and of one caller: more than a person looks at, enough for a pipeline that prints the logs of its jobs. */
export const FOLLOWED_LOGS_PER_CALLER_MAX_COUNT = 50;
/** How often a followed log is looked at: what people take for at once, and one read of a row and a blob. */
export const FOLLOW_LOG_EVERY_MS = 1_000;

// --- Events ----------------------------------------------------------------------------------------------------------

/** Events that wait for the broker in one process. At about a kilobyte each, an outage costs some ten megabytes. */
export const EVENTS_WAITING_MAX_COUNT = 10_000;
/** Shortest time between two events about the progress of one job: twice a second is as fast as people see. */
export const PROGRESS_EVENT_EVERY_MS = 500;
/** Latest events an API instance keeps for clients that come back: at least half a minute of a busy system. */
export const EVENTS_KEPT_MAX_COUNT = 10_000;
/** ... and how long: a client that was away for longer reads the rows. */
export const EVENTS_KEPT_MS = 5 * 60_000;
/** What waits for one client that reads too slowly. Beyond, its connection is cut, and the others keep up. */
export const FOLLOWER_WAITING_MAX_BYTES = 1 * MiB;
/** Clients that follow events at one API instance: some 50 KiB each (docs/events.md), 500 MiB in all. */
export const FOLLOWERS_MAX_COUNT = 10_000;
/** ... and of one caller, unless set otherwise: a person's pages, or a small service that passes events on. */
export const FOLLOWERS_PER_CALLER_DEFAULT = 200;
/** Silence is broken this often: proxies close connections after a minute or two, SignalR's client after 30 s. */
export const FOLLOWER_HEARTBEAT_MS = 15_000;
/** A client follows so long in one connection, then it has to come again, with rights that are looked at again. */
export const FOLLOW_EVENTS_MAX_MS = 60 * 60_000;
/** A ticket for an event stream is used at once, by the page that asked for it. */
export const EVENT_TICKET_MS = 60_000;
/** A message to the hub: a name and an id. */
export const HUB_MESSAGE_MAX_BYTES = 16 * KiB;
/** Jobs and batches one connection to the hub follows. More: follow their batch. */
export const HUB_SUBSCRIPTIONS_MAX_COUNT = 1_000;
/**
 * Messages over one connection to the hub in a minute that are no calls: SignalR's client sends a ping every 15 s. Further
 * ones count as calls do, and every call counts as a request of its caller.
 */
export const HUB_FREE_MESSAGES_PER_MINUTE = 20;
/** After a call that was one too many the connection is not read for so long: refusing must not be all we do. */
export const HUB_REFUSED_PAUSE_MS = 1_000;
/** A connection to the hub that has not said by then which protocol it speaks is closed. */
export const HUB_HANDSHAKE_MS = 15_000;

// --- Timers ----------------------------------------------------------------------------------------------------------

/** Timers of one package. */
export const PACKAGE_MAX_TIMERS = 200;
/** Timers in all: a topic has 2,000 subscriptions. https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
export const TIMERS_MAX_COUNT = 2_000;
export const TIMER_NAME_MAX_LENGTH = 60;
/** Text of a schedule: lists of every fifth minute of every third hour fit, and it is still read by people. */
export const CRON_MAX_LENGTH = 200;
/** A run that starts this long after its tick is still in time, unless declared otherwise. */
export const TIMER_GRACE_DEFAULT_SECONDS = 60;
export const TIMER_GRACE_MAX_SECONDS = 24 * 3_600;
/** Missed ticks that are run one by one, at most. More is a backlog nobody wants. */
export const MISFIRE_ALL_MAX = 100;
/** Ticks of one timer that a later one has overtaken and that may still come: no fewer than are run one by one. More are given up. */
export const OVERTAKEN_TICKS_MAX = 100;
/** Missed ticks of one timer that are remembered by their times, the latest: a run that was admitted meanwhile looks there. */
export const MISSED_TICKS_KEPT = 100;
/** Ticks are sent this long ahead: so long they fire while nothing of us runs but the workers. */
export const TICK_HORIZON_MS = 10 * 60_000;
/** Longer than a scheduler waits between two rounds at most: with less, ticks would be late without any outage. */
export const TICK_HORIZON_MIN_MS = 30_000;
/** Half as long as the broker remembers a tick (core/deployment/topology.ts): what is sent again after an outage is still known. */
export const TICK_HORIZON_MAX_MS = 30 * 60_000;
/**
 * A process whose clock differs from storage's by more sends no ticks and begins no timer. Less is made up for: ticks that
 * are late by this much are still sent, every one.
 */
export const CLOCK_SKEW_MAX_MS = 3 * 60_000;
/**
 * Ticks of one timer that are sent in one round: more than MISFIRE_ALL_MAX, and several times what falls due between two
 * rounds, so that every round comes closer to the horizon.
 */
export const TICKS_PER_ROUND_MAX = 200;
/** Ticks a caller may be told ahead. */
export const TIMER_OCCURRENCES_MAX = 100;
export const TIMER_OCCURRENCES_DEFAULT = 10;

// --- Webhooks --------------------------------------------------------------------------------------------------------

/** Of one tenant: every completed batch is told to each of them. */
export const WEBHOOKS_MAX_COUNT = 10;
/** Part of addresses and commands; names people type. */
export const WEBHOOK_NAME_MAX_LENGTH = 40;
/** What browsers and proxies take for certain. */
export const WEBHOOK_URL_MAX_LENGTH = 2_000;
/** A receiver has so long to answer. It should note the message and work on it afterwards. */
export const WEBHOOK_TIMEOUT_MS = 10_000;
/** Tries of one delivery, over some 21 hours: a receiver that is broken overnight misses nothing. */
export const WEBHOOK_MAX_TRIES = 8;
/** What is kept of an answer, for whoever looks for the reason of a refusal. */
export const WEBHOOK_ANSWER_MAX_BYTES = 1 * KiB;
/** After a rotation both secrets sign for so long: time to give the new one to the receiver. */
export const WEBHOOK_SECRET_OVERLAP_MS = 24 * 60 * 60_000;
/** Secrets of one webhook that count at a time. One more would make some receiver's useless before its time. */
export const WEBHOOK_SECRETS_MAX_COUNT = 5;
/** Deliveries given up one after the other, each after all its tries: days in which nobody was there. */
export const WEBHOOK_FAILURES_MAX_COUNT = 10;
/** Ended deliveries that are shown of a webhook; older ones are removed. */
export const WEBHOOK_DELIVERIES_KEPT = 100;
/** Deliveries that wait for one webhook. Beyond, new ones are given up at once, and shown as such. */
export const WEBHOOK_WAITING_MAX_COUNT = 1_000;
/** Deliveries under way at a time: to one webhook, for one tenant, and in all. Receivers that hang hold no more. */
export const WEBHOOK_AT_ONCE = 2;
export const WEBHOOK_TENANT_AT_ONCE = 4;
export const WEBHOOKS_AT_ONCE = 64;
/** Completions of one batch that wait on its row to be announced. They go within a minute while an API runs. */
export const UNANNOUNCED_MAX_COUNT = 100;

// --- Traffic ---------------------------------------------------------------------------------------------------------

/** Requests one caller may make of one API instance in a minute, unless set otherwise: 50 a second for hours on end. */
export const REQUESTS_PER_MINUTE_DEFAULT = 3_000;
export const REQUESTS_PER_MINUTE_MAX = 1_000_000;
/** Requests of one caller under way at one API instance, followed events not counted: slow ones hold memory and storage. */
export const REQUESTS_AT_ONCE_MAX_COUNT = 500;
/** What a caller is told to wait when its places are taken: they become free when it ends something, not by waiting. */
export const PLACE_RETRY_AFTER_S = 15;
/** Refused tokens from one address in a minute; then it has to wait. More than a fleet with one wrong secret causes. */
export const REFUSED_TOKENS_PER_MINUTE = 300;
/** All headers of a request. A token with many groups takes some 10 KiB. Node's own default. */
export const HEADERS_MAX_BYTES = 16 * KiB;
/** Headers, and a whole request, must have come within this time: slower ones hold connections and do not work. */
export const HEADERS_TIMEOUT_MS = 15_000;
export const REQUEST_TIMEOUT_MS = 120_000;
/** An answer of which its client has taken nothing for this long is broken off. */
export const ANSWER_STALLED_MS = 120_000;
/** After our end of a connection its peer has this long to read our last bytes and to end its own side. */
export const SOCKET_LINGER_MS = 2_000;
/** Connections to one API instance: every follower of events, and as many requests as its memory has room for. */
export const CONNECTIONS_MAX_COUNT = 12_000;
/** A check of storage or broker that has not answered by then counts as failed. */
export const READY_CHECK_TIMEOUT_MS = 5_000;
/** An answer of `/readyz` serves so long: asking often must cost nothing. */
export const READY_CHECK_EVERY_MS = 5_000;
/** What the API knows of a package accepts jobs for so long before it is read again. */
export const KNOWN_PACKAGE_FOR_MS = 10_000;
/** Packages the API keeps in mind. */
export const KNOWN_PACKAGES_MAX_COUNT = 1_000;
/** Clients that try eight times, as ours do, then bridge more than a minute. */
export const RELEASE_RETRY_AFTER_S = 10;

// --- Attempts --------------------------------------------------------------------------------------------------------

export const MAX_ATTEMPTS_DEFAULT = 3;
export const MAX_ATTEMPTS_LIMIT = 50;
/** Tries ended by us (crash, eviction, drain) before a job counts as one that kills its worker. */
export const MAX_INTERRUPTIONS = 10;
/** Entries of a job's history kept on its row: a table row has room for 252 properties. */
export const HISTORY_MAX_ENTRIES = 100;
/** Longest wait between two attempts. */
export const BACKOFF_MAX_MS = 24 * 60 * 60_000;
/** A job that sets no timeout may run this long. */
export const TIMEOUT_DEFAULT_MS = 6 * 60 * 60_000;
export const TIMEOUT_MAX_MS = 7 * 24 * 60 * 60_000;

// --- Locks -----------------------------------------------------------------------------------------------------------

/** Broker lock of a job's message. Renewed at a third, so two renewals may fail before the job must be stopped. */
export const LOCK_MS = 60_000;
/**
 * The child is dead this long before its lock ends: time to kill it, plus clock-rate error and scheduling pauses
 * (assumption A1 of the protocol). Shorter locks, as in tests, use a quarter of the lock instead.
 */
const LOCK_MARGIN_MS = 10_000;

/** The margin before the end of a lock in which nothing may run any more; a quarter of locks shorter than usual. */
export const lockMarginMs = (lockMs: number): number => Math.min(LOCK_MARGIN_MS, lockMs / 4);
/** What a canceled or draining job gets to end by itself before its processes are killed. */
export const GRACE_DEFAULT_MS = 10_000;

// --- Packages --------------------------------------------------------------------------------------------------------

/** A package ZIP. It is read into memory once per version and worker. */
export const PACKAGE_MAX_BYTES = 100 * MiB;
export const PACKAGE_MAX_ENTRIES = 10_000;
export const PACKAGE_MAX_FILE_BYTES = 128 * MiB;
export const PACKAGE_MAX_UNPACKED_BYTES = 512 * MiB;
/** Inflation beyond this factor is a bomb, not a package; files below the threshold may be as compressible as they like. */
export const PACKAGE_MAX_RATIO = 200;
export const PACKAGE_RATIO_THRESHOLD_BYTES = 1 * MiB;
/** `job.json`: names and schedules, no data. */
export const MANIFEST_MAX_BYTES = 256 * KiB;
/** Versions of a package that are kept beside the current one. */
export const PACKAGE_VERSIONS_KEPT = 20;
/** Unpacked package versions a worker keeps; the least recently used goes first. */
export const PACKAGE_CACHE_MAX_VERSIONS = 20;

// --- Output ----------------------------------------------------------------------------------------------------------

/** A job's returned output, as JSON text, kept on its row: a string property holds 64 KiB of UTF-16. */
export const OUTPUT_MAX_BYTES = 30 * KiB;
export const FAILURE_MESSAGE_MAX_LENGTH = 2_000;
export const PROGRESS_TEXT_MAX_LENGTH = 500;
/** Captured output of one attempt; what comes after is dropped and the log says so. */
export const LOG_MAX_BYTES = 16 * MiB;
export const ARTIFACT_MAX_COUNT = 1_000;
export const ARTIFACT_MAX_BYTES = 1_024 * MiB;
export const ARTIFACTS_MAX_TOTAL_BYTES = 4_096 * MiB;
/** A blob name has 1,024 characters, of which the ids before an artifact's path need about 150. */
export const ARTIFACT_PATH_MAX_LENGTH = 800;
/** Folders in folders below the output folder; a worker keeps each of them open while it looks through it. */
export const ARTIFACT_MAX_DEPTH = 32;
/** Entries of the output folder that are looked at, folders and links included: a million must not keep a worker busy. */
export const OUTPUT_ENTRIES_MAX_COUNT = 10_000;
/** Looking through so many entries takes a second; a disk on which it takes this long would keep a slot for hours. */
export const OUTPUT_WALK_MAX_MS = 60_000;
/** Files that were not kept are named in the log of their job: enough to see the kind, then their number. */
export const REFUSED_FILES_TOLD_MAX_COUNT = 20;

// --- Processes of jobs -----------------------------------------------------------------------------------------------

/** Node itself takes some 50 MiB before a job has done anything. */
export const MEMORY_MIN_MB = 64;
/** No machine has more: a larger number is a slip of the pen, bytes perhaps. */
export const MEMORY_MAX_MB = 4_096 * KiB;
/** A job that declares no memory may take this share of its machine: it alone must not bring the worker down. */
export const MEMORY_DEFAULT_SHARE = 0.8;
/** Memory is looked at this often; what takes more in between meets the system's own limit. A look costs about 1 ms. */
export const MEMORY_CHECK_MS = 500;
/** Progress is merged and processes take a moment to start: silence of less says nothing. */
export const IDLE_TIMEOUT_MIN_MS = 1_000;
/** Jobs at a time in one shared process. One crash interrupts as many, and one core runs all of their code. */
export const REUSE_MAX_JOBS_AT_ONCE = 50;
/** A shared process ends after so many jobs, and after so long, so that what they leak does not add up for ever. */
export const REUSE_MAX_JOBS = 10_000;
export const REUSE_MAX_AGE_MS = 60 * 60_000;
/** A shared process without a job ends: long enough for the next batch, short enough to give memory back. */
export const REUSE_IDLE_MS = 5 * 60_000;
/**
 * Memory of a shared process if its jobs declare none: it takes no more jobs beyond, and ends when those in it have
 * ended. At REUSE_MEMORY_HARD_FACTOR times as much it is ended at once.
 */
export const REUSE_MEMORY_DEFAULT_MB = 512;
export const REUSE_MEMORY_HARD_FACTOR = 2;
/** A shared process in which one job has kept the others from running for so long is ended. */
export const REUSE_BLOCKED_MS = 30_000;
/** A job interrupted so often may be the one that ends its process: it runs alone, where its fault is its own. */
export const REUSE_ALONE_AFTER_INTERRUPTIONS = 3;

// --- Machines of a scale set -----------------------------------------------------------------------------------------

/**
 * A worker without work stays protected from scale-in this long: the next job of a busy hour starts without asking
 * Azure, and protection is changed rarely.
 */
export const PROTECTION_IDLE_GRACE_MS = 5 * 60_000;
/**
 * Changes of protection one machine asks for in any minute. Azure takes four a minute from it, and 500 from all machines
 * of a subscription in a region.
 */
export const PROTECTION_CHANGES_MAX = 3;
export const PROTECTION_CHANGES_WINDOW_MS = 60_000;
/**
 * Before a machine is taken away its jobs are stopped this long: their grace period, their last artifacts, their rows and
 * messages. A Spot eviction announces itself 30 s ahead; then there is no time to let a job end by itself.
 */
export const EVICTION_RESERVE_MS = 60_000;
/**
 * A busy worker with several slots goes on receiving for so long after it first sees a new release. Each worker adds a part
 * of its own, up to the same time again.
 */
export const RELEASE_PATIENCE_MINUTES_DEFAULT = 30;
/** A week: the longest a job may run. */
export const RELEASE_PATIENCE_MINUTES_MAX = 7 * 24 * 60;
/** What cannot be read is told in the log this often per format, and shown at `/readyz` for so long after it was met. */
export const UNREADABLE_LOG_EVERY_MS = 60_000;
export const UNREADABLE_SHOWN_MS = 15 * 60_000;
/** An idle worker that has heard nothing but errors from the broker for so long says that it is ill. */
export const BUS_AWAY_UNHEALTHY_MS = 2 * 60_000;
/** A worker that has not begun to receive by then says that it is ill. Grants of a new deployment take ten minutes. */
export const START_UNHEALTHY_MS = 20 * 60_000;
