/** One command on many jobs of a tenant, which are chosen by a filter. Carried out step by step, with its progress on its row. */
import type { JobFilter } from "./job-filter.ts";
import type { JobState } from "./states.ts";

export const ACTION_KINDS = ["cancel", "requeue", "tag", "untag", "reschedule"] as const;
export type ActionKind = (typeof ACTION_KINDS)[number];

/** `failed`: a step could not be taken, for another reason than an outage. What was done before is counted. */
export const ACTION_STATES = ["running", "done", "canceled", "failed"] as const;
export type ActionState = (typeof ACTION_STATES)[number];

/** `matched` is the sum of the others, and of those that were only counted. */
export interface ActionCounts {
  readonly matched: number;
  readonly done: number;
  /** Not in a state that allows it, by the time it was their turn. */
  readonly refused: number;
  /** Storage did not answer. Start the action again for them. */
  readonly failed: number;
}

export const NO_ACTION_COUNTS: ActionCounts = { matched: 0, done: 0, refused: 0, failed: 0 };

export interface JobAction {
  readonly actionId: string;
  readonly tenantName: string;
  readonly kind: ActionKind;
  /** With `until` not later than the start: jobs that are submitted afterwards are not meant. */
  readonly filter: Omit<JobFilter, "tenantName">;
  /** Of `tag` and `untag`. */
  readonly tags: readonly string[];
  /** Of `reschedule`: when its jobs may start. */
  readonly runAt?: Date | undefined;
  /** Counts the jobs and changes none. */
  readonly dryRun: boolean;
  readonly state: ActionState;
  readonly counts: ActionCounts;
  /** The last job that it has passed; undefined: none yet. */
  readonly position: string | undefined;
  readonly cancelWanted: boolean;
  readonly startedAt: Date;
  readonly startedBy: string;
  readonly endedAt: Date | undefined;
}

/** The fields that change. */
export type ActionChanges = Partial<Pick<JobAction, "state" | "counts" | "position" | "cancelWanted" | "endedAt">>;

/** States in which the kind does something, when the filter names none. Undefined: all. */
export function statesFor(kind: ActionKind): readonly JobState[] | undefined {
  switch (kind) {
    case "cancel":
      return ["queued", "running"];
    case "requeue":
      return ["failed", "canceled"];
    case "reschedule":
      return ["queued"];
    case "tag":
    case "untag":
      return undefined;
  }
}

/** Undefined: the kind can do something to jobs in this state. */
export function refusedState(kind: ActionKind, state: JobState): string | undefined {
  const isOpen = state === "queued" || state === "running";
  if (kind === "cancel" && !isOpen) return "must be queued or running, because only these can be canceled";
  if (kind === "requeue" && isOpen)
    return "must be succeeded, failed or canceled, because only ended jobs can be requeued";
  if (kind === "reschedule" && state !== "queued") return "must be queued, because only queued jobs can be rescheduled";
  return undefined;
}
