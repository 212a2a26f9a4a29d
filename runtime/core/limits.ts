/**
 * Every limit of the system, each with its reason. A limit that is exceeded is answered with an error that names the
 * field and the limit; nothing is cut off silently.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Broker lock of a job's message. Renewed at a third, so two renewals may fail before the job must be stopped. */
export const LOCK_MS = 60_000;
