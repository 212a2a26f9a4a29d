/**
 * The erasing of a tenant: everything that is the tenant's is removed for good, step by step, with the progress on a row. While
 * it goes on, a pause of kind `erasure` holds the tenant's jobs and refuses new ones. See docs/retention.md.
 *
 * | state      | what happens                                        | left when                                              |
 * |------------|-----------------------------------------------------|--------------------------------------------------------|
 * | `stopping` | packages and timers go, open jobs are canceled      | no job is queued or running                            |
 * | `removing` | rows and blobs go                                   | `stopping`: something was removed, look once more;     |
 * |            |                                                     | `done`: a whole look found nothing                     |
 * | `done`     | nothing; the row is the report                      | the tenant's name is erased again                      |
 */
export const ERASURE_STATES = ["stopping", "removing", "done"] as const;
export type ErasureState = (typeof ERASURE_STATES)[number];

/** What is counted. */
export const ERASED_THINGS = [
  "packages",
  "jobs",
  "counters",
  "files",
  "batches",
  "notes",
  "keys",
  "index",
  "limits",
  "timers",
  "actions",
  "webhooks",
  "deliveries",
  "settings",
  "identityGrants",
  "pauses",
  "grants",
] as const;
export type ErasedThing = (typeof ERASED_THINGS)[number];

/** Rows and blobs by what they were. Absent: none. */
export type ErasedCounts = Readonly<Partial<Record<ErasedThing, number>>>;

export interface Erasure {
  readonly tenantName: string;
  readonly state: ErasureState;
  readonly startedAt: Date;
  readonly startedBy: string;
  /** Queued jobs that it has canceled. Running ones are asked to end. */
  readonly canceled: number;
  /** Jobs that had not ended at the last look. */
  readonly open: number;
  readonly removed: ErasedCounts;
  /** Of these, since the look before: as long as there is any, another look follows. */
  readonly removedInPass: number;
  /** Nothing is done before. */
  readonly nextAt: Date;
  readonly endedAt: Date | undefined;
}

export const newErasure = (tenantName: string, startedAt: Date, startedBy: string): Erasure => ({
  ...{ tenantName, state: "stopping", startedAt, startedBy, canceled: 0, open: 0 },
  ...{ removed: {}, removedInPass: 0, nextAt: startedAt, endedAt: undefined },
});

export function withRemoved(erasure: Erasure, thing: ErasedThing, count: number): Erasure {
  const { removed, removedInPass } = erasure;
  return {
    ...erasure,
    removed: { ...removed, [thing]: (removed[thing] ?? 0) + count },
    removedInPass: removedInPass + count,
  };
}
