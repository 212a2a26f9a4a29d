/**
 * Carries out an action, some jobs at a time. What is done to a job can be repeated, and the position is recorded after each
 * step: whoever goes on after a crash repeats one step at most. Its counts then leave out what the lost step had done.
 */
import type { Clock } from "../../core/clock.ts";
import { type ActionChanges, type ActionCounts, type JobAction, statesFor } from "../../core/job/action.ts";
import { batchTime } from "../../core/job/ids.ts";
import type { JobFilter } from "../../core/job/job-filter.ts";
import type { Job } from "../../core/job/job.ts";
import { TAGS_MAX_COUNT } from "../../core/limits.ts";
import { messageOf, UnavailableError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ActionStore } from "../../core/ports/action-store.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { type CancelDeps, cancelJob } from "../../lifecycle/cancel-job.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { requeueJobs } from "../../lifecycle/requeue-job.ts";
import { type RescheduleDeps, rescheduleJobs } from "../../lifecycle/reschedule-job.ts";
import type { FindJobs } from "../find/find-jobs.ts";
import type { BellOutbox } from "../submit/bell-outbox.ts";

export interface ActionStepDeps extends CancelDeps {
  readonly actions: Pick<ActionStore, "get" | "update" | "forgetRunning">;
  readonly findJobs: FindJobs;
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly placeUnique: RescheduleDeps["placeUnique"];
  readonly completion: BatchCompletion;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/**
 * Takes one step of the action. False: it has ended, or it is not its time yet. Throws UnavailableError: the step is repeated. An
 * action whose step fails otherwise would fail again and again, so it ends as failed.
 */
export type RunStep = (actionId: string) => Promise<boolean>;

/** Jobs of one step: a full transaction. */
const STEP = 100;
/** The index may be so far behind when an action starts. */
export const SETTLES_MS = 3_000;
/** The row of a started action is written within this time, or never. */
const START_MAX_MS = 60_000;
/** A row is moved by a worker's progress, a few times a second at most. */
const TAG_TRIES = 20;

type Outcome = "done" | "refused" | "failed";

export function createActionStep(deps: ActionStepDeps): RunStep {
  const { actions, findJobs, jobs, completion, outbox, events, now, log } = deps;

  async function cancel(row: Stored<Job>): Promise<Outcome> {
    const { outcome } = await cancelJob(row, deps);
    return outcome === "canceled" || outcome === "requested" ? "done" : "refused";
  }

  async function retag(row: Stored<Job>, tagsOf: (tags: readonly string[]) => readonly string[]): Promise<Outcome> {
    let current: Stored<Job> | undefined = row;
    for (let tries = 0; tries < TAG_TRIES && current !== undefined; tries++) {
      const { value: job, etag }: Stored<Job> = current;
      const before = job.tags ?? [];
      const tags = tagsOf(before);
      if (tags.length > TAGS_MAX_COUNT) return "refused";
      if (tags.length === before.length && tags.every((tag) => before.includes(tag))) return "done";
      const changes = { tags: tags.length === 0 ? undefined : tags };
      const { jobId, state } = job;
      const result = await jobs.update({ jobId, etag, from: state, to: state, changes, facts: job });
      if (result.written) return "done";
      current = result.current;
    }
    return current === undefined ? "refused" : "failed";
  }

  /** In the order of the rows. */
  async function apply({ kind, tags, runAt }: JobAction, rows: readonly Stored<Job>[]): Promise<readonly Outcome[]> {
    const sendBells = outbox.send.bind(outbox);
    if (kind === "requeue" || kind === "reschedule") outbox.assertReady();
    if (kind === "reschedule" && runAt !== undefined) {
      const results = await rescheduleJobs(rows, runAt, { ...deps, sendBells });
      return results.map(({ outcome }) => (outcome === "rescheduled" ? "done" : "refused"));
    }
    if (kind === "requeue") {
      const results = await requeueJobs(rows, { jobs, completion, events, sendBells });
      return results.map(({ outcome }) => (outcome === "requeued" || outcome === "bell-resent" ? "done" : "refused"));
    }
    const one = (row: Stored<Job>): Promise<Outcome> => {
      if (kind === "cancel") return cancel(row);
      return kind === "tag"
        ? retag(row, (before) => [...new Set([...before, ...tags])])
        : retag(row, (before) => before.filter((tag) => !tags.includes(tag)));
    };
    const outcomes = await Promise.all(
      rows.map((row) =>
        one(row).catch((error: unknown): Outcome => {
          log.warn({ jobId: row.value.jobId, error: messageOf(error) }, "an action failed for a job");
          return "failed";
        }),
      ),
    );
    if (kind === "cancel") {
      for (const batchId of new Set(rows.map(({ value }) => value.batchId))) await completion.afterJobEnded(batchId);
    }
    return outcomes;
  }

  /** A job that has been requeued and has ended again in the meantime is not meant a second time. */
  const isMeant = ({ kind, startedAt }: JobAction, { endedAt }: Job): boolean =>
    kind !== "requeue" || endedAt === undefined || endedAt <= startedAt;

  async function record({ value: action, etag }: Stored<JobAction>, changes: ActionChanges): Promise<void> {
    const { actionId, position } = action;
    if (await actions.update(actionId, etag, changes)) return;
    // A wish to cancel has moved the row; or the write has landed, or another instance has taken this step.
    const current = await actions.get(actionId);
    const isSameStep = current?.value.state === "running" && current.value.position === position;
    if (current !== undefined && isSameStep) await actions.update(actionId, current.etag, changes);
  }

  async function fail({ value: { actionId, tenantName, kind }, etag }: Stored<JobAction>, error: unknown) {
    log.error(
      { actionId, tenantName, kind, err: error },
      "an action failed; start it again for the jobs that are left",
    );
    await actions.update(actionId, etag, { state: "failed", endedAt: now() });
    return true;
  }

  return async (actionId) => {
    const stored = await actions.get(actionId);
    if (stored === undefined) {
      if (now().getTime() - batchTime(actionId).getTime() > START_MAX_MS) await actions.forgetRunning(actionId);
      return false;
    }
    const { value: action, etag } = stored;
    if (action.state !== "running") {
      await actions.forgetRunning(actionId);
      return false;
    }
    if (action.cancelWanted) {
      await actions.update(actionId, etag, { state: "canceled", endedAt: now() });
      return true;
    }
    if (now().getTime() - action.startedAt.getTime() < SETTLES_MS) return false;
    try {
      return await nextStep(stored);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      return fail(stored, error);
    }
  };

  async function nextStep(stored: Stored<JobAction>): Promise<true> {
    const { value: action } = stored;
    const { tenantName, filter, kind, counts, position: after } = action;
    const state = filter.state ?? statesFor(kind);
    const search: JobFilter = { ...filter, tenantName, ...(state && { state }) };
    const { items, position } = await findJobs(search, { pageSize: STEP, after });
    const meant = items.filter(({ value }) => isMeant(action, value));
    const outcomes = action.dryRun ? [] : await apply(action, meant);
    const isLast = position === undefined;
    await record(stored, {
      ...{ counts: added(counts, meant.length, outcomes), position: position ?? after },
      ...(isLast && { state: "done", endedAt: now() }),
    });
    return true;
  }
}

function added(counts: ActionCounts, matched: number, outcomes: readonly Outcome[]): ActionCounts {
  const of = (outcome: Outcome): number => outcomes.filter((one) => one === outcome).length;
  return {
    matched: counts.matched + matched,
    done: counts.done + of("done"),
    refused: counts.refused + of("refused"),
    failed: counts.failed + of("failed"),
  };
}
