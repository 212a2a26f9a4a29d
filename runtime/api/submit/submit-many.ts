/**
 * Submits many jobs. Each has an outcome of its own: one that fails does not stop the others. What they share is done once
 * for all: batches are read once, keys of a tenant are reserved together, rows leave in full transactions.
 */
import { InvariantError } from "../../core/errors.ts";
import type { Batch } from "../../core/job/job.ts";
import type { Caller } from "../auth/caller.ts";
import type { Reservation } from "./reservations.ts";
import {
  type PlacedJob,
  type SubmitDeps,
  type SubmitRequest,
  batchOf,
  freshIdOf,
  hasKey,
  placeJob,
  wishOf,
} from "./submit-job.ts";
import type { JobRow, JobToWrite, SubmittedJob } from "./write-job.ts";

/**
 * Outcomes in the order of the requests. One with an UnavailableError may have been accepted all the same. Throws
 * UnavailableError when too many bells wait for the broker.
 */
export type SubmitMany = (
  caller: Caller,
  requests: readonly SubmitRequest[],
) => Promise<readonly Outcome<SubmittedJob>[]>;

/** Rows written at one time: a few full transactions, so that one large request does not shut out the others. */
const CHUNK = 500;

export function createSubmitMany(deps: SubmitDeps): SubmitMany {
  const { findBatch, reservations, writer, knownJobs, ids, now } = deps;

  /** Reservations for jobs of one tenant, all with keys or all without, and all refused or all not. */
  async function reserveAll(placed: readonly PlacedJob[]): Promise<readonly Outcome<Reservation>[]> {
    const [first] = placed;
    if (first === undefined) return [];
    if (!hasKey(first.request)) {
      return placed.map((one) =>
        one.refusal ? failed(one.refusal) : done({ id: freshIdOf(one, ids), isFirst: true }),
      );
    }
    const { tenantName } = first.batch;
    const wishes = placed.map((one) => wishOf(one, ids));
    const answers =
      first.refusal === undefined
        ? await reservations.reserve(tenantName, wishes)
        : // A refused job takes no key. It may only find one that is there.
          await reservations.find(tenantName, wishes);
    return placed.map(({ refusal }, index) => {
      const answer = answers[index] ?? refusal;
      if (answer === undefined) return failed(new InvariantError("A reservation was not answered."));
      return answer instanceof Error ? failed(answer) : done(answer);
    });
  }

  async function identify(placed: readonly PlacedJob[]): Promise<readonly Outcome<JobToWrite>[]> {
    const answers = new Map<PlacedJob, Outcome<Reservation>>();
    const groups = Map.groupBy(placed, ({ request, batch, refusal }) =>
      [batch.tenantName, refusal === undefined, hasKey(request)].join(),
    );
    const reserving = [...groups.values()].map(async (group) => {
      const found = await outcomeOf(() => reserveAll(group));
      for (const [index, one] of group.entries()) {
        const answer = found.ok ? found.value[index] : found;
        if (answer !== undefined) answers.set(one, answer);
      }
    });
    await Promise.all(reserving);
    return placed.map((one) => {
      const answer = answers.get(one) ?? failed(new InvariantError("A request was given no id."));
      return answer.ok ? done({ ...one, reservation: answer.value }) : answer;
    });
  }

  function writeRows(caller: Caller, all: readonly JobToWrite[]): Promise<readonly Outcome<JobRow>[]> {
    const woken = new Map<string, Promise<void>>();
    const wake = async (batch: Batch): Promise<void> => {
      if (batch.atRest) await memo(woken, batch.batchId, () => writer.wakeBatch(batch));
    };
    /** Jobs with the same unique key go one after the other, so that the last of them is the last. */
    const latest = new Map<string, Promise<unknown>>();
    const write = (job: JobToWrite): Promise<Outcome<JobRow>> => outcomeOf(() => writer.writeRow(caller, job, wake));
    return Promise.all(
      all.map((job) => {
        const { tenantName, jobType, unique } = job.prepared.request;
        if (unique === undefined) return write(job);
        const key = JSON.stringify([tenantName, jobType, unique.key]);
        const written = (latest.get(key) ?? Promise.resolve()).then(() => write(job));
        latest.set(key, written);
        return written;
      }),
    );
  }

  async function ring(rows: readonly JobRow[]): Promise<readonly Outcome<SubmittedJob>[]> {
    const failures = new Map<string, Outcome<never>>();
    const sending = [...Map.groupBy(rows, ({ stored }) => stored.value.batchId)].map(async ([batchId, ofBatch]) => {
      const sent = await outcomeOf(() => writer.sendBells(batchId, ofBatch));
      if (!sent.ok) failures.set(batchId, sent);
    });
    await Promise.all(sending);
    return rows.map(({ stored, replayed }): Outcome<SubmittedJob> => {
      const { jobId, batchId } = stored.value;
      return failures.get(batchId) ?? done({ jobId, batchId, replayed });
    });
  }

  return async (caller, requests) => {
    const refusalOf = knownJobs.judge();

    async function writeChunk(chunk: readonly SubmitRequest[]): Promise<readonly Outcome<JobRow>[]> {
      writer.assertReady();
      const batches = new Map<string, Promise<Batch>>();
      const place = async (request: SubmitRequest): Promise<PlacedJob> => {
        const name = request.batchId ?? request.job.tenantName;
        const batch = await memo(batches, name, () => batchOf(findBatch, caller, request));
        return placeJob(request, batch, { refusalOf, knownJobs }, now());
      };
      const placed = await Promise.all(chunk.map((request) => outcomeOf(() => place(request))));
      return onward(await onward(placed, identify), (all) => writeRows(caller, all));
    }

    const outcomes: Outcome<SubmittedJob>[] = [];
    /** The bells of the chunk before: they go while the rows of the next one are written. */
    let ringing: Promise<readonly Outcome<SubmittedJob>[]> = Promise.resolve([]);
    try {
      for (let i = 0; i < requests.length; i += CHUNK) {
        const rows = await writeChunk(requests.slice(i, i + CHUNK));
        outcomes.push(...(await ringing));
        ringing = onward(rows, ring);
      }
    } finally {
      outcomes.push(...(await ringing));
    }
    return outcomes;
  };
}

function memo<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const one = made.get(key) ?? make();
  made.set(key, one);
  return one;
}

// --- Outcomes: each of many has its own, in the order of the request --------------------------------------------------

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export const done = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const failed = (error: unknown): Outcome<never> => ({ ok: false, error });

/** Never rejects. */
export async function outcomeOf<T>(step: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return done(await step());
  } catch (error) {
    return failed(error);
  }
}

/** Takes the next step with all that are well so far; what failed keeps its place. `step` answers in the order given. */
export async function onward<A, B>(
  outcomes: readonly Outcome<A>[],
  step: (values: readonly A[]) => Promise<readonly Outcome<B>[]>,
): Promise<readonly Outcome<B>[]> {
  const next = (await step(outcomes.flatMap((one) => (one.ok ? [one.value] : [])))).values();
  return outcomes.map((one) => (one.ok ? (next.next().value ?? failed(new Error("A step has lost an item."))) : one));
}
