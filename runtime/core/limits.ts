/**
 * The limits of the system that users, authors and operators meet, each with its reason. A limit that is exceeded is answered
 * with an error that names the field and the limit; nothing is cut off silently.
 *
 * The chapters follow a job: names, submits, commands and pages, followed logs, audit, traffic, events, webhooks, timers, attempts,
 * locks, packages, settings, identities, output, processes, machines, releases. docs/http-api.md, docs/packages.md and docs/running-jobs.md show
 * some of them; a test holds their tables against this file.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

// --- Names -----------------------------------------------------------------------------------------------------------

/**
 * Tenant names are part of every id, key and blob path. 15 characters leave room for the rest of a MessageId, which has
 * 128.
 */
export const TENANT_NAME_MAX_LENGTH = 15;
/** Names for people: of a job, a batch, a job type. Long enough for a title, short enough for a table on a page. */
export const DISPLAY_NAME_MAX_LENGTH = 200;
/** A package is a blob name below its tenant, and part of the names of its timers. */
export const PACKAGE_NAME_MAX_LENGTH = 100;
/** Pool names are part of the names of queues and scale sets. */
export const POOL_NAME_MAX_LENGTH = 20;
/** A job id that the submitter chooses: a number, a path or a UUID, with room for a prefix. */
export const CLIENT_JOB_ID_MAX_LENGTH = 128;
/** An `Idempotency-Key`. A longer text is content, not a key. */
export const IDEMPOTENCY_KEY_MAX_LENGTH = 255;

/** Tags of a job, those of its batch included. Each costs a row of the index. */
export const TAGS_MAX_COUNT = 10;
/** A tag is a word or a key such as `customer:4711`, and part of a row key. */
export const TAG_MAX_LENGTH = 50;

// --- Submits ---------------------------------------------------------------------------------------------------------

/**
 * A JSON body of the web API. A bulk submit of small jobs fits; large inputs belong into a blob that the job reads.
 */
export const REQUEST_BODY_MAX_BYTES = 16 * MiB;
/** Nesting of a JSON body. Deeper ones are an attack on recursive code. */
export const JSON_MAX_DEPTH = 64;
/** Parameters of one job, as JSON text. Larger input belongs into a blob that the parameters name. */
export const PARAMETERS_MAX_BYTES = 1 * MiB;
/**
 * Parameters up to this size travel in row and message; larger ones lie in `job-input`. 99 rows of this size, escaped
 * in a JSON request, stay below the 4 MiB of a table transaction, and a message stays below the 256 KiB of Standard
 * tier. https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
 */
export const PARAMETERS_INLINE_MAX_BYTES = 12 * KiB;
/**
 * Parameters of a run of a timer, as JSON text. They stay in the row, beside what the run is told of its tick: a repeat of the
 * request writes nothing that a started run would read.
 */
export const TIMER_PARAMETERS_MAX_BYTES = 8 * KiB;
/** Jobs in one bulk submit: as many as one request can insert and enqueue well within its timeout. */
export const SUBMIT_MAX_JOBS = 10_000;
/**
 * One line of a streamed submit: the largest parameters, the other fields, and room for escapes. A line is held whole
 * in memory.
 */
export const SUBMIT_LINE_MAX_BYTES = 2 * MiB;
/** Lines of a streamed submit that are read ahead while those before them are written: some full transactions. */
export const SUBMIT_LINES_WAITING_MAX_COUNT = 500;
export const SUBMIT_LINES_WAITING_MAX_BYTES = 4 * MiB;
/**
 * Results of a streamed submit that wait for their reader; beyond, no more lines are read. All ids of one request fit,
 * so a client may send everything before it reads.
 */
export const SUBMIT_RESULTS_WAITING_MAX_BYTES = 2 * MiB;
/** A unique key: the id of a customer or a file, with room for a prefix. */
export const UNIQUE_KEY_MAX_LENGTH = 200;
/**
 * A unique key whose job has no row is taken for so long: its submit may be under way. After a crash of the submitter the
 * key is free then. Longer than a request to storage takes.
 */
export const UNIQUE_PENDING_MS = 20_000;
/** Jobs of a tenant's day that an API instance takes at a time: at 2,000 submits a second, two writes a second. */
export const QUOTA_SHARE_MAX = 1_000;
/** Higher quotas are none. */
export const QUOTA_MAX = Number.MAX_SAFE_INTEGER;
/** What an instance knows of a tenant's quotas counts for so long. */
export const QUOTA_KNOWN_FOR_MS = 10_000;
/** How long an `Idempotency-Key` is remembered: over a long weekend in which a caller's queue may stand still. */
export const IDEMPOTENCY_KEY_DAYS = 7;
/**
 * The shortest retention of a job's row: a day more than an idempotency key can name the job. A repeat of the submit would
 * insert a removed row again, and the job would run twice.
 */
export const ROW_MIN_DAYS = IDEMPOTENCY_KEY_DAYS + 1;
/** The longest retention that can be set: ten years. 0 means for ever. */
export const RETENTION_MAX_DAYS = 3_650;
export const ROW_RETENTION_DAYS_DEFAULT = 90;
export const LOG_RETENTION_DAYS_DEFAULT = 30;
export const FILE_RETENTION_DAYS_DEFAULT = 90;
export const DEAD_LETTER_RETENTION_DAYS_DEFAULT = 30;
/** Requests to storage that one round of the sweeper makes to remove what is due: some seconds, twice a minute. */
export const FORGET_REQUESTS_PER_ROUND = 3_000;
/**
 * After the erasing of a tenant has begun, and again after something was removed, everything is looked through once more after
 * this time: every process knows the pause by then, and what was being written has landed.
 */
export const ERASURE_SETTLES_MS = 5_000;
/** How often the erasing of a tenant looks whether its canceled jobs have ended. */
export const ERASURE_LOOK_EVERY_MS = 2_000;
/**
 * How far ahead a job may be told to start, and its longest delay: a leap year. Rows and messages are not kept for
 * decades; use a timer.
 */
export const START_AHEAD_MAX_MS = 366 * 24 * 60 * 60_000;
/** Time to live in the queue. With less than a second, a healthy system would expire jobs by chance. */
export const TIME_TO_LIVE_MIN_MS = 1_000;
export const TIME_TO_LIVE_MAX_MS = 366 * 24 * 60 * 60_000;
/**
 * Batches of the day of one tenant. Closing or canceling one begins the next, and each submit without a batch reads all
 * that are closed.
 */
export const DEFAULT_BATCHES_PER_DAY_MAX = 100;
/** What the API knows of a package accepts jobs for this long before it is read again. */
export const KNOWN_PACKAGE_FOR_MS = 10_000;
/** Packages that the API keeps in memory. */
export const KNOWN_PACKAGES_MAX_COUNT = 1_000;
/**
 * `Retry-After` while packages of a deployment are not published yet. Clients that try eight times, as ours do, wait
 * more than a minute.
 */
export const RELEASE_RETRY_AFTER_S = 10;

// --- Commands and pages ----------------------------------------------------------------------------------------------

/** Jobs in one request to requeue: each costs a read and a write. For more, requeue their batch. */
export const REQUEUE_MAX_JOBS = 1_000;
/**
 * One request to cancel or requeue a batch works this long, then answers that there are more: some 100,000 jobs.
 * Proxies and gateways give up after 100 to 240 seconds.
 */
export const BATCH_COMMAND_MAX_MS = 60_000;
/** Dead letters that one request searches for those of its caller: twenty answers of the broker. */
export const DEAD_LETTERS_MAX_LOOKED_AT = 5_000;
/** A dead letter can be removed when fewer than this many lie before it: they must be locked to reach it. */
export const DEAD_LETTERS_MAX_LOCKED = 1_000;
/** Jobs that one call of a tenant's list looks at: some ten requests to the index, and a read of each row. */
export const FIND_ENTRIES_MAX_COUNT = 1_000;
/** Of the text that a filter of jobs looks for. */
export const FIND_TEXT_MAX_LENGTH = 100;
/** Jobs of one state that the overview of a tenant counts: five requests to the index. More are told as "or more". */
export const OVERVIEW_ENTRIES_MAX_COUNT = 5_000;
/** How far back the overview's course goes, and its parts. */
export const OVERVIEW_HOURS = 6;
export const OVERVIEW_SPANS = 36;
/** An overview counts for so long: many open pages of a tenant cost one. */
export const OVERVIEW_KNOWN_FOR_MS = 2_000;
export const PAGE_SIZE_MAX = 1_000;
export const PAGE_SIZE_DEFAULT = 100;
/** A continuation token is an encoded table key. A longer one was not made by us. */
export const CONTINUATION_TOKEN_MAX_LENGTH = 2_000;

// --- Followed logs ---------------------------------------------------------------------------------------------------

/** One request follows a log this long. To go on, the client asks again from where it stopped. */
export const FOLLOW_LOG_MAX_MS = 60 * 60_000;
/** Followed logs at one API instance. Each costs two reads of storage every one or two seconds. */
export const FOLLOWED_LOGS_MAX_COUNT = 2_000;
/** Followed logs of one caller: more than a person reads, enough for a pipeline that prints the logs of its jobs. */
export const FOLLOWED_LOGS_PER_CALLER_MAX_COUNT = 50;
/** Jobs that an export reads at a time: some megabytes at most, which is what it holds in memory. */
export const EXPORT_PAGE_SIZE = 200;
/** Exports at one API instance, and of one caller. Each reads all rows of its jobs as fast as its client takes them. */
export const EXPORTS_MAX_COUNT = 20;
export const EXPORTS_PER_CALLER_MAX_COUNT = 4;
/** How often a followed log is read: people see it as immediate, and it costs one read of a row and a blob. */
export const FOLLOW_LOG_EVERY_MS = 1_000;

// --- Audit -----------------------------------------------------------------------------------------------------------

/** Days that entries of the audit are kept, unless set otherwise: a quarter, so that a review finds all of it. */
export const AUDIT_DAYS_DEFAULT = 90;
export const AUDIT_DAYS_MAX = 3_650;
/** A longer name or value in an entry is cut. */
export const AUDIT_TEXT_MAX_LENGTH = 200;
/**
 * Refused changes of one caller that an API instance records in a minute. Further ones are in the access log only: a caller
 * that may change nothing must not fill the table.
 */
export const AUDIT_REFUSALS_PER_MINUTE = 20;
/** Entries that one request for a list reads, whatever its filter. */
export const AUDIT_SCAN_MAX_COUNT = 5_000;

// --- Traffic ---------------------------------------------------------------------------------------------------------

/** Requests of one caller to one API instance in a minute, unless set otherwise: 50 a second for hours. */
export const REQUESTS_PER_MINUTE_DEFAULT = 3_000;
export const REQUESTS_PER_MINUTE_MAX = 1_000_000;
/**
 * Requests of one caller under way at one API instance, without followed events. Slow ones hold memory and storage.
 */
export const REQUESTS_AT_ONCE_MAX_COUNT = 500;
/** `Retry-After` when all places of a caller are taken. They become free when it ends something, not by waiting. */
export const PLACE_RETRY_AFTER_S = 15;
/** Refused tokens from one address in a minute; then it must wait. More than a fleet with one wrong secret causes. */
export const REFUSED_TOKENS_PER_MINUTE = 300;
/** A verified token is not verified again in this time, as long as it is valid. */
export const TOKENS_KEPT_MS = 60_000;
/** Verified tokens that an instance keeps, each with the content of its token: some megabytes. The oldest goes first. */
export const TOKENS_KEPT_MAX_COUNT = 10_000;
/** All headers of a request: Node's own default. A token with many groups takes some 10 KiB. */
export const HEADERS_MAX_BYTES = 16 * KiB;
/** Headers, and a whole request, must arrive within these times. Slower ones hold connections. */
export const HEADERS_TIMEOUT_MS = 15_000;
export const REQUEST_TIMEOUT_MS = 120_000;
/** An answer is broken off when its client has taken nothing of it for this long. */
export const ANSWER_STALLED_MS = 120_000;
/** After our end of a connection, its peer has this long to read the last bytes and to end its own side. */
export const SOCKET_LINGER_MS = 2_000;
/** Connections to one API instance: every follower of events, and as many requests as its memory has room for. */
export const CONNECTIONS_MAX_COUNT = 12_000;
/** A check of storage or broker that has not answered by then counts as failed. */
export const READY_CHECK_TIMEOUT_MS = 5_000;
/** An answer of `/readyz` is reused for this long, so that frequent probes cost nothing. */
export const READY_CHECK_EVERY_MS = 5_000;

// --- Events ----------------------------------------------------------------------------------------------------------

/** Events that wait for the broker in one process. At about a kilobyte each, an outage costs some ten megabytes. */
export const EVENTS_WAITING_MAX_COUNT = 10_000;
/** Shortest time between two progress events of one job. People cannot see more than two a second. */
export const PROGRESS_EVENT_EVERY_MS = 500;
/** Latest events that an API instance keeps for clients that come back: at least half a minute of a busy system. */
export const EVENTS_KEPT_MAX_COUNT = 10_000;
/** How long it keeps them. A client that was away for longer reads the rows. */
export const EVENTS_KEPT_MS = 5 * 60_000;
/** Bytes that wait for one slow client. Beyond, its connection is cut, and the others keep up. */
export const FOLLOWER_WAITING_MAX_BYTES = 1 * MiB;
/** Clients that follow events at one API instance: some 50 KiB each (docs/events.md), 500 MiB in all. */
export const FOLLOWERS_MAX_COUNT = 10_000;
/** Those of one caller, unless set otherwise: a person's pages, or a small service that passes events on. */
export const FOLLOWERS_PER_CALLER_DEFAULT = 200;
/**
 * Time between two signs of life. Proxies close silent connections after a minute or two, SignalR's client after 30 s.
 */
export const FOLLOWER_HEARTBEAT_MS = 15_000;
/** One connection follows events this long. Then the client connects again, and its rights are checked again. */
export const FOLLOW_EVENTS_MAX_MS = 60 * 60_000;
/** A ticket for an event stream is used at once, by the page that asked for it. */
export const EVENT_TICKET_MS = 60_000;
/** A message to the hub: a name and an id. */
export const HUB_MESSAGE_MAX_BYTES = 16 * KiB;
/** Jobs and batches that one connection to the hub follows. For more, follow their batch. */
export const HUB_SUBSCRIPTIONS_MAX_COUNT = 1_000;
/**
 * Messages of one hub connection in a minute that are not calls: SignalR's client sends a ping every 15 s. Further ones
 * count as calls, and every call counts as a request of its caller.
 */
export const HUB_FREE_MESSAGES_PER_MINUTE = 20;
/** After a refused call the connection is not read for this long, so that refusing stays cheap. */
export const HUB_REFUSED_PAUSE_MS = 1_000;
/** A hub connection that has not named its protocol by then is closed. */
export const HUB_HANDSHAKE_MS = 15_000;

// --- Webhooks --------------------------------------------------------------------------------------------------------

/** Webhooks of one tenant. Each is told of what it wants to hear. */
export const WEBHOOKS_MAX_COUNT = 10;
/** Part of addresses and commands; people type it. */
export const WEBHOOK_NAME_MAX_LENGTH = 40;
/** All browsers and proxies take addresses of this length. */
export const WEBHOOK_URL_MAX_LENGTH = 2_000;
/** Time for a receiver to answer. It should note the message and work on it afterwards. */
export const WEBHOOK_TIMEOUT_MS = 10_000;
/** Tries of one delivery, over some 21 hours: a receiver that is broken overnight misses nothing. */
export const WEBHOOK_MAX_TRIES = 8;
/** The part of a receiver's answer that is kept, to find the reason of a refusal. */
export const WEBHOOK_ANSWER_MAX_BYTES = 1 * KiB;
/** After a rotation both secrets sign for this long: time to give the new one to the receiver. */
export const WEBHOOK_SECRET_OVERLAP_MS = 24 * 60 * 60_000;
/** Secrets of one webhook that count at a time. One more would make some receiver's secret useless too early. */
export const WEBHOOK_SECRETS_MAX_COUNT = 5;
/** Deliveries given up in a row, each after all its tries, before a webhook is disabled: days without an answer. */
export const WEBHOOK_FAILURES_MAX_COUNT = 10;
/** Ended deliveries that are shown of a webhook. Older ones are removed. */
export const WEBHOOK_DELIVERIES_KEPT = 100;
/** Deliveries that wait for one webhook. Beyond, new ones are given up at once, and shown as such. */
export const WEBHOOK_WAITING_MAX_COUNT = 1_000;
/** Deliveries under way at a time: to one webhook, for one tenant, and in all. Receivers that hang hold no more. */
export const WEBHOOK_AT_ONCE = 2;
export const WEBHOOK_TENANT_AT_ONCE = 4;
export const WEBHOOKS_AT_ONCE = 64;
/** Completions of one batch that wait on its row to be announced. They go within a minute while an API runs. */
export const UNANNOUNCED_MAX_COUNT = 100;
/**
 * Between two notices of one batch or timer: whatever fails in this time is one message. A receiver hears of the first at once,
 * and ten thousand failed jobs of a busy batch are a few messages.
 */
export const NOTICE_EVERY_MS = 30_000;
/** Failed jobs that a message names: enough to look at. The others are in the list of failed jobs. */
export const FAILED_JOBS_TOLD_MAX_COUNT = 10;

// --- Timers ----------------------------------------------------------------------------------------------------------

/** Timers of one package. */
export const PACKAGE_MAX_TIMERS = 200;
/**
 * Timers of the system: a topic has 2,000 subscriptions.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
 */
export const TIMERS_MAX_COUNT = 2_000;
export const TIMER_NAME_MAX_LENGTH = 60;
/** Text of a schedule: lists of every fifth minute of every third hour fit, and people can still read it. */
export const CRON_MAX_LENGTH = 200;
/** A run that starts this long after its tick is still in time, unless declared otherwise. */
export const TIMER_GRACE_DEFAULT_SECONDS = 60;
export const TIMER_GRACE_MAX_SECONDS = 24 * 3_600;
/** Missed ticks that are run one by one, at most. A longer backlog is of no use. */
export const MISFIRE_ALL_MAX = 100;
/**
 * Ticks of one timer that a later one has overtaken and that may still come. Older ones are given up. At least
 * MISFIRE_ALL_MAX.
 */
export const OVERTAKEN_TICKS_MAX = 100;
/** Missed ticks of one timer whose times are remembered, the latest: a run that was admitted meanwhile looks there. */
export const MISSED_TICKS_KEPT = 100;
/** How far ahead ticks are sent: for this long they fire while only workers run. */
export const TICK_HORIZON_MS = 10 * 60_000;
/** Longer than a scheduler waits between two rounds. With less, ticks would be late without any outage. */
export const TICK_HORIZON_MIN_MS = 30_000;
/**
 * Half as long as the broker remembers a tick (core/deployment/topology.ts): a tick that is sent again after an outage
 * is still recognized.
 */
export const TICK_HORIZON_MAX_MS = 30 * 60_000;
/**
 * A process whose clock differs from storage's by more sends no ticks and begins no timer. With less, ticks that are
 * late by the difference are still sent.
 */
export const CLOCK_SKEW_MAX_MS = 3 * 60_000;
/**
 * Ticks of one timer that are sent in one round: more than MISFIRE_ALL_MAX, and several times what falls due between
 * two rounds, so that every round comes closer to the horizon.
 */
export const TICKS_PER_ROUND_MAX = 200;
/** Future ticks that a caller may ask for. */
export const TIMER_OCCURRENCES_MAX = 100;
export const TIMER_OCCURRENCES_DEFAULT = 10;

// --- Limits by key ---------------------------------------------------------------------------------------------------

/** Jobs of one key, or of a tenant with such a quota, that may run at once. A job that comes when so many run reads as many rows to see that they do. */
export const CONCURRENCY_MAX = 200;
/** Starts in a span of time, and the span. */
export const RATE_MAX = 1_000_000;
export const RATE_SECONDS_MAX = 24 * 3_600;
/** Characters of a key. A longer value of a parameter is replaced by its hash. */
export const LIMIT_KEY_MAX_LENGTH = 256;
/** Characters of the name of a parameter that a key is made of. */
export const LIMIT_KEY_PATH_MAX_LENGTH = 200;

// --- Attempts --------------------------------------------------------------------------------------------------------

export const MAX_ATTEMPTS_DEFAULT = 3;
export const MAX_ATTEMPTS_LIMIT = 50;
/** Starts that we ended (crash, eviction, drain) before a job counts as one that kills its worker. */
export const MAX_INTERRUPTIONS = 10;
/** Entries of a job's history on its row: a table row has room for 252 properties. */
export const HISTORY_MAX_ENTRIES = 100;
/** Longest wait between two attempts. */
export const BACKOFF_MAX_MS = 24 * 60 * 60_000;
/** A job without a timeout of its own may run this long. */
export const TIMEOUT_DEFAULT_MS = 6 * 60 * 60_000;
export const TIMEOUT_MAX_MS = 7 * 24 * 60 * 60_000;
/** Time for a canceled or draining job to end by itself before its processes are killed. */
export const GRACE_DEFAULT_MS = 10_000;

// --- Locks -----------------------------------------------------------------------------------------------------------

/**
 * Broker lock of a job's message. It is renewed at a third, so two renewals may fail before the job must be stopped.
 */
export const LOCK_MS = 60_000;
/**
 * The child is dead this long before its lock ends: time to kill it, plus clock-rate error and scheduling pauses
 * (assumption A1 of the protocol).
 */
const LOCK_MARGIN_MS = 10_000;

/**
 * The margin before the end of a lock in which nothing may run any more. Shorter locks, as in tests, use a quarter of
 * the lock.
 */
export const lockMarginMs = (lockMs: number): number => Math.min(LOCK_MARGIN_MS, lockMs / 4);

// --- Packages --------------------------------------------------------------------------------------------------------

/** A package ZIP. A worker reads each version into memory once. */
export const PACKAGE_MAX_BYTES = 100 * MiB;
export const PACKAGE_MAX_ENTRIES = 10_000;
export const PACKAGE_MAX_FILE_BYTES = 128 * MiB;
export const PACKAGE_MAX_UNPACKED_BYTES = 512 * MiB;
/** A file that inflates by more is a bomb. Files below the threshold may be as compressible as they like. */
export const PACKAGE_MAX_RATIO = 200;
export const PACKAGE_RATIO_THRESHOLD_BYTES = 1 * MiB;
/** `job.json`: names and schedules, no data. */
export const MANIFEST_MAX_BYTES = 256 * KiB;
/** A JSON Schema in `job.json`, as JSON. */
export const SCHEMA_MAX_BYTES = 32 * KiB;
/** Objects and lists inside each other in a schema. `job.json` as a whole has JSON_MAX_DEPTH. */
export const SCHEMA_MAX_DEPTH = 48;
/**
 * Work that one job's parameters may cost the API: so many keywords, and so many more for each byte of them. An honest schema
 * needs one or two a byte. Beyond that the parameters are judged only when the job runs.
 */
export const SCHEMA_STEPS_BASE = 10_000;
export const SCHEMA_STEPS_PER_BYTE = 10;
/** However many bytes there are: other requests wait meanwhile. Some tens of milliseconds. */
export const SCHEMA_STEPS_MAX = 1_000_000;
/** Versions of packages whose schemas the API keeps in memory. */
export const KNOWN_SCHEMAS_MAX_COUNT = 200;
/** Versions of a package that are kept beside the current one. */
export const PACKAGE_VERSIONS_KEPT = 20;
/** What storage says about a package serves all attempts of a worker that begin within this time. */
export const PACKAGE_ANSWER_FOR_MS = 1_000;
/**
 * A write that replaces or removes a package resolves after this time: no worker uses an older answer any more. The
 * difference covers clocks of different rates.
 */
export const PACKAGE_SETTLES_MS = 1_100;
/** Unpacked package versions that a worker keeps. The least recently used goes first. */
export const PACKAGE_CACHE_MAX_VERSIONS = 20;

// --- Settings of packages --------------------------------------------------------------------------------------------

/** As long as names of environment variables get. People type it. */
export const SETTING_NAME_MAX_LENGTH = 64;
/** Settings that a package declares, and that a tenant gives to it. A job reads all of them when it starts. */
export const SETTINGS_MAX_COUNT = 50;
/** A certificate or a key file as text fits; Key Vault and a table's property hold more. Larger input is a file. */
export const SETTING_VALUE_MAX_BYTES = 16 * KiB;
/** One sentence for who sets it. */
export const SETTING_DESCRIPTION_MAX_LENGTH = 200;
/** A worker uses what it has read of a tenant's settings for so long: a change is in use after this time at the latest. */
export const SETTINGS_ANSWER_FOR_MS = 10_000;
/** Packages of tenants whose settings, and secrets whose values, a process keeps in memory. */
export const SETTINGS_KEPT_MAX_COUNT = 1_000;
/** A value that is forgotten is fetched again. What is kept for long could be found in a dump of memory. */
export const SECRET_KEPT_FOR_MS = 5 * 60_000;
/** A shorter value is not redacted: `1` or `abc` occurs in lines by chance, and a log of marks is none. */
export const REDACTED_MIN_LENGTH = 4;

// --- Identity of jobs ------------------------------------------------------------------------------------------------

/** Services of Azure that a package gets tokens for, and that a tenant is granted on a pool. */
export const TOKEN_AUDIENCES_MAX_COUNT = 20;
/** An address, as https://vault.azure.net, or an application's id. */
export const TOKEN_AUDIENCE_MAX_LENGTH = 200;
/** Requests for tokens of one job that wait at a time. Clients of Azure's SDK keep a token until it expires. */
export const TOKENS_AT_ONCE = 4;
/** Requests for tokens of one job in a minute, granted or not: a flood must not reach the service that makes them. */
export const TOKENS_PER_MINUTE = 60;
/** What a worker knows of a grant counts for so long. */
export const IDENTITY_GRANT_FOR_MS = 10_000;

// --- Output ----------------------------------------------------------------------------------------------------------

/** A job's returned output, as JSON text on its row: a string property holds 64 KiB of UTF-16. */
export const OUTPUT_MAX_BYTES = 30 * KiB;
export const FAILURE_MESSAGE_MAX_LENGTH = 2_000;
/** Of the stack that is kept with a failure: enough to see where it came from. The log has all of it. */
export const FAILURE_STACK_MAX_FRAMES = 10;
export const FAILURE_STACK_MAX_LENGTH = 2_000;
export const PROGRESS_TEXT_MAX_LENGTH = 500;
/** Captured output of one attempt. The rest is dropped, and the log says so. */
export const LOG_MAX_BYTES = 16 * MiB;
export const ARTIFACT_MAX_COUNT = 1_000;
export const ARTIFACT_MAX_BYTES = 1_024 * MiB;
export const ARTIFACTS_MAX_TOTAL_BYTES = 4_096 * MiB;
/** A blob name has 1,024 characters. The ids before an artifact's path need about 150. */
export const ARTIFACT_PATH_MAX_LENGTH = 800;
/** Folders in folders below the output folder. A worker keeps each of them open while it walks. */
export const ARTIFACT_MAX_DEPTH = 32;
/**
 * Entries of the output folder that are looked at, folders and links included. A million must not keep a worker busy.
 */
export const OUTPUT_ENTRIES_MAX_COUNT = 10_000;
/** So many entries take a second to walk. A disk that needs longer than this would keep a slot for hours. */
export const OUTPUT_WALK_MAX_MS = 60_000;
/** Files that were not kept and that the log names; of the rest it gives the number. */
export const REFUSED_FILES_TOLD_MAX_COUNT = 20;

// --- Processes of jobs -----------------------------------------------------------------------------------------------

/** Node itself takes some 50 MiB before a job has done anything. */
export const MEMORY_MIN_MB = 64;
/** No machine has more. A larger number is a mistake, such as bytes. */
export const MEMORY_MAX_MB = 4_096 * KiB;
/** A job that declares no memory may take this share of its machine. It alone must not bring the worker down. */
export const MEMORY_DEFAULT_SHARE = 0.8;
/** How often memory is measured, at a cost of about 1 ms. A faster rise meets the system's own limit. */
export const MEMORY_CHECK_MS = 500;
/** Progress is merged and processes take a moment to start: a shorter silence says nothing. */
export const IDLE_TIMEOUT_MIN_MS = 1_000;
/** Jobs at a time in one shared process. One crash interrupts as many, and one core runs all of their code. */
export const REUSE_MAX_JOBS_AT_ONCE = 50;
/** A shared process ends after so many jobs, and after so long, so that its leaks do not add up for ever. */
export const REUSE_MAX_JOBS = 10_000;
export const REUSE_MAX_AGE_MS = 60 * 60_000;
/** A shared process without a job ends: long enough for the next batch, short enough to give memory back. */
export const REUSE_IDLE_MS = 5 * 60_000;
/**
 * Memory of a shared process whose jobs declare none. Beyond, it takes no more jobs and ends with those in it. At
 * REUSE_MEMORY_HARD_FACTOR times as much it is ended at once.
 */
export const REUSE_MEMORY_DEFAULT_MB = 512;
export const REUSE_MEMORY_HARD_FACTOR = 2;
/** A shared process is ended when one job has kept the others from running for this long. */
export const REUSE_BLOCKED_MS = 30_000;
/** A job that was interrupted so often may be the one that ends its process. It runs alone from then on. */
export const REUSE_ALONE_AFTER_INTERRUPTIONS = 3;

// --- Pauses and shares of tenants -------------------------------------------------------------------------------------

/** Between two looks of a process at what is paused. A pause holds everywhere within this time and the time of one read. */
export const PAUSES_READ_EVERY_MS = 2_000;
/** Job types of one tenant that can be paused at a time. Every process reads all pauses. */
export const PAUSED_TYPES_MAX_COUNT = 100;
export const PAUSE_REASON_MAX_LENGTH = 200;
/** A tenant's share of the slots in proportion to the others'. */
export const WEIGHT_MAX = 100;
/** Messages of a queue that a look at its shares reads, 250 in a request. More than the largest pool can hold at a time. */
export const BELLS_LOOKED_AT_MAX_COUNT = 5_000;

// --- Machines of a scale set -----------------------------------------------------------------------------------------

/**
 * A worker without work stays protected from scale-in this long: the next job of a busy hour starts without a call to
 * Azure, and protection is changed rarely.
 */
export const PROTECTION_IDLE_GRACE_MS = 5 * 60_000;
/**
 * Changes of protection that one machine asks for in a minute. Azure takes four a minute from it, and 500 from all
 * machines of a subscription in a region.
 */
export const PROTECTION_CHANGES_MAX = 3;
export const PROTECTION_CHANGES_WINDOW_MS = 60_000;
/**
 * Jobs are stopped this long before their machine is taken away: time for their grace period, artifacts, rows and
 * messages. A Spot eviction is announced only 30 s ahead; then jobs cannot end by themselves.
 */
export const EVICTION_RESERVE_MS = 60_000;
/** An idle worker that has received only errors from the broker for this long reports itself unhealthy. */
export const BUS_AWAY_UNHEALTHY_MS = 2 * 60_000;
/** A worker that does not receive by then reports itself unhealthy. Grants of a new deployment take ten minutes. */
export const START_UNHEALTHY_MS = 20 * 60_000;

// --- Releases --------------------------------------------------------------------------------------------------------

/**
 * A busy worker with several slots goes on receiving for this long after it first sees a new release. Each worker adds
 * a random part of its own, up to the same time again.
 */
export const RELEASE_PATIENCE_MINUTES_DEFAULT = 30;
/** A week: the longest a job may run. */
export const RELEASE_PATIENCE_MINUTES_MAX = 7 * 24 * 60;
/** How often the log names something that this release cannot read, per format, and how long `/readyz` shows it. */
export const UNREADABLE_LOG_EVERY_MS = 60_000;
export const UNREADABLE_SHOWN_MS = 15 * 60_000;
