/**
 * Model rows in the form of the jobs that runtime/core decides about, and the writes of its decisions. Every write of a
 * row goes through `writeRow`, which checks it against its own list of what each writer may do.
 */
import type { Claim, Job } from "../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../runtime/core/limits.ts";
import type { JobChanges } from "../../../runtime/core/ports/job-store.ts";
import { assertChange, isTerminal, type JobState } from "../../../runtime/core/job/states.ts";
import { jobOf as buildJob } from "../../support/builders.ts";
import { must } from "../search.ts";
import type { Context } from "./context.ts";
import type { Row } from "./world.ts";

/** A fixed moment: the model has no time. */
export const NOW = new Date(0);
export const LATER = new Date(1);
export const QUEUE = "queue";

const TEMPLATE = buildJob();

/**
 * The interruptions of a model job before it counts as killing its workers. The real limit is larger. A model job
 * represents one that has used up the difference before.
 */
export const INTERRUPTION_CAP = 2;
const USED_UP = MAX_INTERRUPTIONS - INTERRUPTION_CAP;
/** A model job fails finally at its second failure. */
export const MAX_ATTEMPTS = 2;

export const realInterruptions = (modelled: number): number => modelled + USED_UP;
const modelledInterruptions = (real: number): number => Math.max(0, real - USED_UP);

export const claimOf = (claim: number, seq: number): Claim => ({
  id: String(claim),
  workerId: "worker",
  bootId: "boot",
  queue: QUEUE,
  sequenceNumber: String(seq),
  since: NOW,
});

/** The job of a row. Undefined: there is none yet. */
export function jobOf(row: Row): Job | undefined {
  if (row.state === "absent") return undefined;
  return {
    ...TEMPLATE,
    state: row.state,
    ring: row.ring,
    attempts: row.attempts,
    interruptions: realInterruptions(row.interruptions),
    claim: row.claim === 0 ? undefined : claimOf(row.claim, row.seq),
    cancelWanted: row.cancelWanted,
    runAt: row.delayed ? LATER : undefined,
  };
}

export type Writer =
  | "submit"
  | "claim"
  | "takeover"
  | "progress"
  | "end"
  | "cancel"
  | "requeue"
  | "reschedule"
  | "tag"
  | "sweep"
  | "letter";

/** Written independently of the code under test: `from → to` by writer. */
const LEGAL: Readonly<Record<Writer, readonly `${Row["state"]} ${JobState}`[]>> = {
  submit: ["absent queued"],
  claim: ["queued running"],
  takeover: ["running running", "running canceled", "running failed"],
  progress: ["running running"],
  end: ["running succeeded", "running failed", "running canceled", "running queued"],
  cancel: ["queued canceled", "running running"],
  requeue: ["succeeded queued", "failed queued", "canceled queued"],
  reschedule: ["queued queued"],
  tag: [
    ...(["queued queued", "running running"] as const),
    ...(["succeeded succeeded", "failed failed", "canceled canceled"] as const),
  ],
  sweep: ["running queued", "running canceled", "running failed"],
  letter: ["queued queued", "queued failed"],
};

export interface RowWrite {
  readonly to: JobState;
  readonly changes: JobChanges;
  /** The job itself declared that another attempt cannot help. */
  readonly hopeless?: boolean;
}

/** The write has passed its condition: it is applied, and the ETags of all other holders become stale. */
export function writeRow({ world, protocol }: Context, job: number, by: Writer, write: RowWrite): void {
  const { to, changes, hopeless = false } = write;
  const row = world.rows[job]!;
  const from = row.state;
  must(LEGAL[by].includes(`${from} ${to}`), `I1, I4: ${from} → ${to} by ${by}`);
  if (by === "claim") must(!row.cancelWanted, "I1: a canceled job is claimed");
  if (from === "running" && to === "queued") {
    must(!row.cancelWanted, "I1: a canceled job goes back to queued");
  }
  if (by === "takeover" && to === "running") {
    must(!row.cancelWanted, "I1: a canceled job is started again");
  }
  const { attempts, interruptions, ring } = row;
  if (from !== "absent") assertChange(from, to, changes);
  row.state = to;
  applyChanges(row, changes);
  row.ring = protocol.procedure.ringOf(row);
  if (by !== "requeue") must(row.interruptions >= interruptions, `I9: a recorded interruption is lost (${by})`);
  if (to === "failed" && from !== "failed") {
    must(
      hopeless || row.attempts >= MAX_ATTEMPTS || row.interruptions > INTERRUPTION_CAP,
      `I9: failed after ${row.attempts} failures and ${row.interruptions} interruptions`,
    );
  }
  if (by === "reschedule") {
    for (const holders of [world.messages, world.owed]) {
      for (const holder of holders) if (holder.job === job && holder.ring <= ring) holder.givenUp = true;
    }
  }
  // I3: the row has the reason for another start.
  if (by === "submit" || by === "requeue" || row.attempts > attempts || row.interruptions > interruptions) {
    row.mayStart = true;
  }
  if (isTerminal(to)) row.seq = 0;
  for (const holders of [world.messages, world.workers, world.owed, world.late]) {
    for (const holder of holders) if (holder.job === job) holder.fresh = false;
  }
  if (world.sweeper.job === job) world.sweeper.fresh = false;
}

function applyChanges(row: Row, changes: JobChanges): void {
  if (changes.ring !== undefined) row.ring = changes.ring;
  if (changes.attempts !== undefined) row.attempts = changes.attempts;
  if (changes.interruptions !== undefined) row.interruptions = modelledInterruptions(changes.interruptions);
  if (changes.cancelWanted !== undefined) row.cancelWanted = changes.cancelWanted;
  if ("claim" in changes) {
    row.claim = Number(changes.claim?.id ?? 0);
    row.seq = Number(changes.claim?.sequenceNumber ?? 0);
  }
  if ("runAt" in changes) row.delayed = changes.runAt !== undefined;
}
