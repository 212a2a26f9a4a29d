/** Reads many jobs from a request, checks each alone, and submits them. A wrong one gets its error in its place. */
import { InvalidRequestError, invalidField } from "../../core/errors.ts";
import { jobRequestSchema } from "../../core/http/requests.ts";
import type { SubmitResult } from "../../core/http/views.ts";
import { itemKey } from "../../core/job/keys.ts";
import {
  SUBMIT_LINES_WAITING_MAX_BYTES,
  SUBMIT_LINES_WAITING_MAX_COUNT,
  SUBMIT_LINE_MAX_BYTES,
  SUBMIT_MAX_JOBS,
} from "../../core/limits.ts";
import { type Line, TOO_LONG, linesOf } from "../../core/lines.ts";
import { type Caller, currentCaller } from "../auth/caller.ts";
import { isOfItem, itemError } from "../http/error-response.ts";
import { readWhole, validate } from "../http/read-request.ts";
import { inGroups } from "./in-groups.ts";
import type { SubmitRequest } from "./submit-job.ts";
import { type Outcome, type SubmitMany, done, failed, onward } from "./submit-many.ts";
import type { SubmittedJob } from "./write-job.ts";

/** What all jobs of one request share. */
export interface Bulk {
  readonly caller: Caller;
  readonly batchId: string | undefined;
  /** Of the whole request. Each job gets a key made from it and its place. */
  readonly idempotencyKey: string | undefined;
}

export interface BulkSubmit {
  /** Throws UnavailableError. Any of the jobs may then have been accepted. */
  submitItems(bulk: Bulk, items: readonly unknown[]): Promise<readonly SubmitResult[]>;
  /**
   * Results in the order of the lines, in groups, while lines are still coming. Throws, after the results of all earlier lines:
   * UnavailableError, InvalidRequestError for too many lines or an incomplete body.
   */
  submitLines(bulk: Bulk, body: AsyncIterable<Uint8Array>): AsyncGenerator<readonly SubmitResult[]>;
}

export function createBulkSubmit(submitMany: SubmitMany): BulkSubmit {
  function submitAll(
    { caller, ...shared }: Bulk,
    items: readonly unknown[],
    from: number,
    read: (item: unknown, index: number) => Pick<SubmitRequest, "job" | "at">,
  ): Promise<readonly Outcome<SubmittedJob>[]> {
    const requests = items.map((item, position): Outcome<SubmitRequest> => {
      const index = from + position;
      const { batchId, idempotencyKey: whole } = shared;
      try {
        const idempotencyKey = whole === undefined ? undefined : itemKey(whole, index);
        return done({ ...read(item, index), batchId, idempotencyKey });
      } catch (error) {
        return failed(error);
      }
    });
    return onward(requests, (well) => submitMany(caller, well));
  }

  return {
    async submitItems(bulk, items) {
      const outcomes = await submitAll(bulk, items, 0, (item, index) => {
        // The item could not be read.
        if (item instanceof InvalidRequestError) throw item;
        const at = `jobs[${index}]`;
        return { job: validate(jobRequestSchema, item, at), at };
      });
      return outcomes.map(resultOf);
    },

    async *submitLines(bulk, body) {
      let count = 0;
      for await (const group of inGroups(filledLines(body), LINES_AHEAD)) {
        const lines = group.slice(0, SUBMIT_MAX_JOBS - count);
        // A request can take long, so each group is checked against the current grants.
        const caller = await currentCaller(bulk.caller);
        const outcomes = await submitAll({ ...bulk, caller }, lines, count, (line) => ({ job: jobOf(line as Line) }));
        count += lines.length;
        // Results are in order, so the first outage ends them.
        const outage = outcomes.find((one) => !one.ok && !isOfItem(one.error));
        const answered = outage === undefined ? outcomes : outcomes.slice(0, outcomes.indexOf(outage));
        if (answered.length > 0) yield answered.map(resultOf);
        if (outage !== undefined) resultOf(outage);
        if (lines.length < group.length) throw tooMany();
      }
    },
  };
}

const LINES_AHEAD = {
  maxCount: SUBMIT_LINES_WAITING_MAX_COUNT,
  maxWeight: SUBMIT_LINES_WAITING_MAX_BYTES,
  weightOf: (line: Line) => (line === TOO_LONG ? 0 : line.byteLength),
};

const tooMany = (): InvalidRequestError =>
  new InvalidRequestError(
    "PayloadTooLarge",
    `One request takes at most ${SUBMIT_MAX_JOBS} jobs. The rest was not read.`,
  );

/** Throws an error that is not the item's. */
function resultOf(outcome: Outcome<SubmittedJob>): SubmitResult {
  if (!outcome.ok) return { error: itemError(outcome.error) };
  const { jobId, batchId, replayed } = outcome.value;
  return { jobId, batchId, ...(replayed && { replayed }) };
}

/** Lines that are not blank. */
async function* filledLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  for await (const line of linesOf(body, SUBMIT_LINE_MAX_BYTES)) {
    if (line === TOO_LONG || !line.every((byte) => BLANKS.has(byte))) yield line;
  }
}

/** Space, tab, carriage return. */
const BLANKS: ReadonlySet<number> = new Set([32, 9, 13]);

/** Throws InvalidRequestError. */
function jobOf(line: Line): SubmitRequest["job"] {
  if (line === TOO_LONG)
    throw invalidField("line", `must have at most ${SUBMIT_LINE_MAX_BYTES} bytes`, "PayloadTooLarge");
  return validate(jobRequestSchema, readWhole(line, "line"));
}
