/** Limits between a worker and its children that no author of a job needs to know; the documented ones are in core. */

const KiB = 1024;

/** A message from a child. The largest honest one carries an output of 30 KiB, escaped once more. */
export const CONTROL_LINE_MAX_BYTES = 128 * KiB;
/** Answers for a child that it has not read. A token has some kilobytes, and a job waits for its answers. */
export const ANSWERS_MAX_BYTES = 256 * KiB;
/** A longer line of output becomes several lines in the log. */
export const LOG_LINE_MAX_BYTES = 16 * KiB;
/** Progress is passed on ten times a second: faster than people read, slow enough to cost nothing. */
export const PROGRESS_INTERVAL_MS = 100;
/**
 * What a worker reads from one pipe in one window. A job that writes faster waits in its own `write`, so that a flood
 * slows the job and not the worker: 40 MiB/s is far above any log and below what one core can split into lines.
 */
export const READ_WINDOW_MS = 50;
export const READ_WINDOW_BYTES = 2 * KiB * KiB;
/** The same for messages of a child, each of which is parsed. */
export const CONTROL_WINDOW_BYTES = 512 * KiB;
/** A process that has reported its result may take this long for its own exit handlers. */
export const EXIT_GRACE_MS = 2_000;
/** After the last process is gone, its pipes are empty within moments; a handle that left the tree is not waited for. */
export const PIPE_GRACE_MS = 1_000;
/** A job of a shared process that is killed may end by itself for so long; then its process is ended, with all jobs. */
export const KILL_PATIENCE_MS = 200;
/** A shared process counts as blocked after so many pings without an answer, sent at equal distances. */
export const PINGS_UNTIL_BLOCKED = 6;
/** What is killed is gone within moments, unless it waits for a disk or a driver that does not answer. */
export const END_PATIENCE_MS = 10_000;
/**
 * Processes and threads of a job with a user of its own. A fork bomb meets this limit before the machine's; a browser or a
 * parallel build takes some hundred.
 */
export const JOB_PROCESSES_MAX = 1_024;
/** Niceness of such a job: its worker comes first, or a fork bomb would keep it from ending the bomb. */
export const JOB_NICENESS = 10;
/** A Node process that is not ready by then will not be: the machine is in trouble. */
export const START_TIMEOUT_MS = 30_000;
