/**
 * Begins the erasing of a tenant, and refuses what would add to a tenant that is being erased. The pause is written first: it
 * alone says that there is something to do, so whoever finds it without its row makes the row again.
 */
import type { PausedSubject } from "../../core/admission/pause.ts";
import type { Clock } from "../../core/clock.ts";
import { ConflictError, UnavailableError } from "../../core/errors.ts";
import { type Erasure, newErasure } from "../../core/job/erasure.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { KnownJobs } from "../submit/known-jobs.ts";

export interface BeginErasureDeps {
  readonly erasures: Pick<ErasureStore, "get" | "put">;
  readonly pauses: Pick<PauseStore, "list" | "put">;
  readonly pauseBoard: Pick<PauseBoard, "refresh">;
  readonly now: Clock["now"];
}

export const erasureOf = (tenantName: string): PausedSubject => ({ kind: "erasure", tenantName });

/** Resolves to the one under way, if there is one. Throws UnavailableError. */
export async function beginErasure(tenantName: string, by: string, deps: BeginErasureDeps): Promise<Erasure> {
  const { pauses, pauseBoard, erasures, now } = deps;
  const found = (await pauses.list(() => undefined)).pauses.find(
    ({ subject }) => subject.kind === "erasure" && subject.tenantName === tenantName,
  );
  const pause = found ?? { subject: erasureOf(tenantName), pausedAt: now(), pausedBy: by, reason: undefined };
  if (found === undefined) await pauses.put(pause);
  await pauseBoard.refresh();
  return (await rowOf(tenantName, pause, erasures)).value;
}

/** Each conflict is another process that makes the same row. */
const TRIES = 10;

/** The row of the erasure that this pause began. It is made if it is missing, in place of the report of an earlier one. */
export async function rowOf(
  tenantName: string,
  { pausedAt, pausedBy }: { readonly pausedAt: Date; readonly pausedBy: string },
  erasures: Pick<ErasureStore, "get" | "put">,
): Promise<Stored<Erasure>> {
  for (let tries = 0; tries < TRIES; tries++) {
    const stored = await erasures.get(tenantName);
    if (stored !== undefined && stored.value.startedAt.getTime() === pausedAt.getTime()) return stored;
    await erasures.put(newErasure(tenantName, pausedAt, pausedBy), stored?.etag);
  }
  throw new UnavailableError(
    "StorageUnavailable",
    "The erasure changed during every attempt to write it. Retry later.",
  );
}

// --- What is refused meanwhile ----------------------------------------------------------------------------------------

type Board = Pick<PauseBoard, "current">;

/** The tenants that are being erased, as this process knows it. */
export const erasing = (board: Board): readonly string[] =>
  board.current().pauses.flatMap(({ subject }) => (subject.kind === "erasure" ? [subject.tenantName] : []));

/** Undefined: the tenant is not being erased, as far as this process knows. */
const erasingError = (board: Board, tenantName: string): ConflictError | undefined =>
  board.current().erasureOf(tenantName) === undefined
    ? undefined
    : new ConflictError(
        "TenantErasing",
        `Tenant ${tenantName} is being erased: all that is stored of it is removed. Nothing is accepted for it until that has ended.`,
      );

/** Call it when the caller is known to have the tenant. Throws ConflictError "TenantErasing". */
export function assertNotErasing(board: Board, tenantName: string): void {
  const error = erasingError(board, tenantName);
  if (error !== undefined) throw error;
}

/** Refuses the jobs of tenants that are being erased. */
export const refusingErased = (known: KnownJobs, board: Board): KnownJobs => ({
  ...known,
  judge() {
    const refusalOf = known.judge();
    return (job, parameters) => {
      const erasing = erasingError(board, job.tenantName);
      return erasing === undefined ? refusalOf(job, parameters) : Promise.resolve(erasing);
    };
  },
});
