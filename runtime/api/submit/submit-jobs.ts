/**
 * Submits jobs: finds the batch of each, judges whether its package can run it, finds its id, by its keys where it has
 * some, and has it accepted. What a caller has an id for is in the table; nothing is half accepted.
 */
import { invalidField, InvariantError, type JobSystemError } from "../../core/errors.ts";
import type { IdSource } from "../../core/job/ids.ts";
import type { Batch } from "../../core/job/job.ts";
import type { JobRequestBody } from "../../core/http/requests.ts";
import {
  type Acceptance,
  type AcceptedJob,
  type JobToAccept,
  type Outcome,
  closed,
  done,
  failed,
  onward,
  outcomeOf,
} from "./write-jobs.ts";
import type { BatchIntake } from "./find-batch.ts";
import type { Caller } from "../auth/caller.ts";
import type { KnownJobs, RefusalOf } from "./known-jobs.ts";
import { type PreparedJob, prepareJob, requestHash } from "./prepare-job.ts";
import type { Reservation, Reservations, ReservationWish } from "./reservations.ts";

export interface SubmitDeps {
  readonly intake: Pick<BatchIntake, "named" | "daily">;
  readonly reservations: Reservations;
  readonly acceptance: Acceptance;
  readonly knownJobs: KnownJobs;
  readonly ids: IdSource;
  readonly now: () => Date;
}

export interface SubmitRequest {
  readonly job: JobRequestBody;
  /** Default: the tenant's batch of the day. */
  readonly batchId: string | undefined;
  readonly idempotencyKey: string | undefined;
}

export interface Submitter {
  /**
   * What became of each, in the order given. One that met an outage does not stop the others, and may have been accepted
   * itself. Throws UnavailableError when too many wait for the broker already.
   */
  submit(caller: Caller, requests: readonly SubmitRequest[]): Promise<readonly Outcome<AcceptedJob>[]>;
}

/** Rows written at the same time: a few full transactions, so that one large request does not shut out the others. */
const SUBMIT_CHUNK = 500;

/** A request with the batch it goes to when it comes for the first time. */
interface Placed {
  readonly request: SubmitRequest;
  readonly prepared: PreparedJob;
  readonly batch: Batch;
  /** Why it is not accepted when it comes for the first time: a repeat answers the first job all the same. */
  readonly refusal: JobSystemError | undefined;
}

export function createSubmitter({ intake, reservations, acceptance, knownJobs, ids, now }: SubmitDeps): Submitter {
  /** Each batch is read once for all jobs of a chunk. */
  function createPlacing(caller: Caller, refusalOf: RefusalOf): (request: SubmitRequest) => Promise<Placed> {
    const batches = new Map<string, Promise<Batch>>();
    return async (request) => {
      const { job, batchId } = request;
      const name = batchId ?? job.tenantName;
      const reading =
        batches.get(name) ??
        (batchId === undefined ? intake.daily(caller, job.tenantName) : intake.named(caller, batchId));
      batches.set(name, reading);
      const batch = await reading;
      if (job.tenantName !== batch.tenantName) {
        throw invalidField("tenantName", `is not the tenant of batch ${batch.batchId}`);
      }
      const prepared = prepareJob(job, now());
      // Only now: who may not use the tenant learns nothing of its packages.
      const refusal = batch.state === "open" ? await refusalOf(job) : closed(batch);
      return { request, batch, prepared, refusal };
    };
  }

  const freshId = ({ batch }: Placed): string => ids.jobId(batch.batchId, batch.shardCount);

  const wishOf = (placed: Placed): ReservationWish => {
    const { job, batchId, idempotencyKey } = placed.request;
    return {
      freshId: freshId(placed),
      requestHash: requestHash("job", { ...job, batchId }),
      idempotencyKey,
      clientJobId: job.clientJobId,
    };
  };

  /** Ids for jobs of one tenant, all with keys or all without, and all refused or all not. */
  async function idsFor(placed: readonly Placed[]): Promise<readonly Outcome<Reservation>[]> {
    const [first] = placed;
    if (first === undefined) return [];
    if (!hasKey(first.request)) {
      return placed.map((one) => (one.refusal ? failed(one.refusal) : done({ id: freshId(one), isFirst: true })));
    }
    const { tenantName } = first.batch;
    const wishes = placed.map(wishOf);
    const answers =
      first.refusal === undefined
        ? await reservations.reserve(tenantName, wishes)
        : // Only what is there already: no key is given away for a job that cannot be.
          await reservations.find(tenantName, wishes);
    return placed.map(({ refusal }, index) => {
      const answer = answers[index] ?? refusal;
      if (answer === undefined) return failed(new InvariantError("A reservation was not answered."));
      return answer instanceof Error ? failed(answer) : done(answer);
    });
  }

  async function identify(placed: readonly Placed[]): Promise<readonly Outcome<JobToAccept>[]> {
    const answers = new Map<Placed, Outcome<Reservation>>();
    const groups = Map.groupBy(placed, ({ request, batch, refusal }) =>
      [batch.tenantName, refusal === undefined, hasKey(request)].join(),
    );
    const answering = [...groups.values()].map(async (group) => {
      const found = await outcomeOf(() => idsFor(group));
      for (const [index, one] of group.entries()) {
        const answer = found.ok ? found.value[index] : found;
        if (answer !== undefined) answers.set(one, answer);
      }
    });
    await Promise.all(answering);
    return placed.map((one) => {
      const answer = answers.get(one) ?? failed(new InvariantError("A request was given no id."));
      return answer.ok ? done({ prepared: one.prepared, batch: one.batch, reservation: answer.value }) : answer;
    });
  }

  return {
    async submit(caller, requests) {
      const outcomes: Outcome<AcceptedJob>[] = [];
      const refusalOf = knownJobs.judge();
      for (let i = 0; i < requests.length; i += SUBMIT_CHUNK) {
        acceptance.assertReady();
        const place = createPlacing(caller, refusalOf);
        const chunk = requests.slice(i, i + SUBMIT_CHUNK);
        const placed = await Promise.all(chunk.map((request) => outcomeOf(() => place(request))));
        const identified = await onward(placed, identify);
        outcomes.push(...(await onward(identified, (all) => acceptance.accept(caller, all))));
      }
      return outcomes;
    },
  };
}

const hasKey = ({ job, idempotencyKey }: SubmitRequest): boolean =>
  idempotencyKey !== undefined || job.clientJobId !== undefined;
