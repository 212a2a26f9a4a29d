/** Submits many jobs whose requests are judged alone: a wrong one gets its error in its place and stops no other. */
import { invalidField, InvalidRequestError } from "../core/errors.ts";
import { itemKey } from "../core/keys.ts";
import {
  SUBMIT_LINE_MAX_BYTES,
  SUBMIT_LINES_WAITING_MAX_BYTES,
  SUBMIT_LINES_WAITING_MAX_COUNT,
  SUBMIT_MAX_JOBS,
} from "../core/limits.ts";
import { jobRequestSchema } from "../core/requests.ts";
import type { SubmitResult } from "../core/views.ts";
import type { AcceptedJob } from "./accept-jobs.ts";
import type { Caller } from "./caller.ts";
import { inGroups } from "./in-groups.ts";
import { isOfItem, itemError } from "./item-error.ts";
import { type Line, linesOf, TOO_LONG } from "./lines.ts";
import { done, failed, onward, type Outcome } from "./outcome.ts";
import { readWhole } from "./read-body.ts";
import type { Submitter, SubmitRequest } from "./submit.ts";
import { currentCaller } from "./still-may.ts";
import { validate } from "./validate.ts";

/** What the jobs of one request share. */
export interface Bulk {
  readonly caller: Caller;
  readonly batchId: string | undefined;
  /** Of the request as a whole; each job gets one made of it and its place. */
  readonly idempotencyKey: string | undefined;
}

export interface BulkSubmit {
  /** Throws UnavailableError; any of the jobs may then have been accepted. */
  submitItems(bulk: Bulk, items: readonly unknown[]): Promise<readonly SubmitResult[]>;
  /**
   * Results in the order of the lines, in groups, while lines are still coming. Throws, after the results of all lines
   * before: UnavailableError, InvalidRequestError for a line too many or a body that broke off.
   */
  submitLines(bulk: Bulk, body: AsyncIterable<Uint8Array>): AsyncGenerator<readonly SubmitResult[]>;
}

export function createBulkSubmit(submitter: Submitter): BulkSubmit {
  function submitAll(
    { caller, ...shared }: Bulk,
    items: readonly unknown[],
    from: number,
    judge: (item: unknown, index: number) => SubmitRequest["job"],
  ): Promise<readonly Outcome<AcceptedJob>[]> {
    const requests = items.map((item, position): Outcome<SubmitRequest> => {
      const index = from + position;
      const { batchId, idempotencyKey: whole } = shared;
      try {
        const idempotencyKey = whole === undefined ? undefined : itemKey(whole, index);
        return done({ job: judge(item, index), batchId, idempotencyKey });
      } catch (error) {
        return failed(error);
      }
    });
    return onward(requests, (well) => submitter.submit(caller, well));
  }

  return {
    async submitItems(bulk, items) {
      const outcomes = await submitAll(bulk, items, 0, (item, index) => {
        // Such an item could not be read.
        if (item instanceof InvalidRequestError) throw item;
        return validate(jobRequestSchema, item, `jobs[${index}]`);
      });
      return outcomes.map(resultOf);
    },

    async *submitLines(bulk, body) {
      let count = 0;
      for await (const group of inGroups(filledLines(body), LINES_AHEAD)) {
        const lines = group.slice(0, SUBMIT_MAX_JOBS - count);
        // Lines come for as long as a request may: a grant that is taken away meanwhile counts for the next group.
        const caller = await currentCaller(bulk.caller);
        const outcomes = await submitAll({ ...bulk, caller }, lines, count, (line) => jobOf(line as Line));
        count += lines.length;
        // Results are in order, so the first that met an outage is the end of them.
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
    `One request takes at most ${SUBMIT_MAX_JOBS} jobs; the rest was not read.`,
  );

/** Throws what is no fault of the item. */
function resultOf(outcome: Outcome<AcceptedJob>): SubmitResult {
  if (!outcome.ok) return { error: itemError(outcome.error) };
  const { jobId, batchId, replayed } = outcome.value;
  return { jobId, batchId, ...(replayed && { replayed }) };
}

/** Lines with something in them. */
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
