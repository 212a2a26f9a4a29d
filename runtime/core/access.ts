/** What an operation of the web API needs its caller to be allowed. */

/**
 * `anonymous`: nothing, not even a name. `signed-in`: to be known, whoever it is.
 *
 * On tenants the caller has been granted: `read` sees their batches, jobs and packages; `submit` also adds, cancels and
 * requeues jobs and batches and runs timers; `manage` also publishes and deletes packages, pauses timers and removes dead
 * letters.
 *
 * `operate`: the system itself: workers, tenants, grants.
 */
export type Access = "anonymous" | "signed-in" | "read" | "submit" | "manage" | "operate";
