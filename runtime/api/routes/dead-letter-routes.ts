/** Operations on what the broker has set aside. */
import { jobQueueName } from "../../core/deployment/topology.ts";
import { ConflictError, NotFoundError, invalidField } from "../../core/errors.ts";
import { deadLetterParams, listDeadLettersSchema } from "../../core/http/requests.ts";
import {
  type DeadLetterView,
  deadLetterView,
  deadLetterViewSchema,
  pageSchema,
  pageView,
} from "../../core/http/views.ts";
import { parseJobId } from "../../core/job/ids.ts";
import { subjectOf } from "../../core/job/message.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { isTerminal } from "../../core/job/states.ts";
import { DEAD_LETTERS_MAX_LOCKED, DEAD_LETTERS_MAX_LOOKED_AT } from "../../core/limits.ts";
import type { ReceivedMessage, JobQueue, PeekedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Page, PageRequest } from "../../core/ports/stored.ts";
import type { Caller } from "../auth/caller.ts";
import { type Operation, operation } from "../http/operation.ts";

export const deadLetterOperations = (deadLetters: DeadLetters): readonly Operation[] => [
  listDeadLetters(deadLetters),
  removeDeadLetter(deadLetters),
];

const listDeadLetters = (deadLetters: DeadLetters) =>
  operation({
    id: "listDeadLetters",
    method: "get",
    path: "/v1/dead-letters",
    tag: "Dead letters",
    summary: "List the dead letters of a pool",
    description:
      "Queue by queue, `high` first, oldest first. A page may hold fewer items than asked for, even none, and still have " +
      "a `continuationToken`: one request looks at a limited number of letters.",
    needs: "read",
    query: listDeadLettersSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("DeadLetterPage", deadLetterViewSchema) } },
    errors: [],
    async handle({ caller, query: { poison, ...query } }) {
      const page = await deadLetters.list(caller, { ...query, poison: poison === "true" });
      return { status: 200, body: pageView(page, (letter) => letter) };
    },
  });

const removeDeadLetter = (deadLetters: DeadLetters) =>
  operation({
    id: "removeDeadLetter",
    method: "delete",
    path: "/v1/dead-letters/{queue}/{sequenceNumber}",
    tag: "Dead letters",
    summary: "Remove a dead letter",
    description: "Of a job that has ended or is gone, or one no worker can read. To run a job again, requeue the job.",
    needs: "manage",
    params: deadLetterParams,
    responses: { 204: { description: "It is gone." } },
    errors: ["DeadLetterNotFound", "JobNotEnded"],
    async handle({ caller, params: { queue, sequenceNumber } }) {
      await deadLetters.remove(caller, queue, sequenceNumber);
      return { status: 204 };
    },
  });

// Dead letters of a pool's queues: looked at without touching them, and taken away one at a time. A letter is only the
// record of what its job's row says too; to run the job again, requeue the job.

export interface DeadLetters {
  /** Queue by queue, most urgent first, oldest letters first. A page may hold fewer than asked for and still go on. */
  list(caller: Caller, query: DeadLetterQuery): Promise<Page<DeadLetterView>>;
  /** Throws DeadLetterNotFound; JobNotEnded when the letter may still be needed. */
  remove(caller: Caller, queueName: string, sequenceNumber: string): Promise<void>;
}

export interface DeadLetterQuery extends PageRequest {
  readonly pool: string;
  /** Default: every tenant the caller may use. */
  readonly tenantName?: string | undefined;
  /** Also messages that are no bells of ours, for callers who operate the system. */
  readonly poison: boolean;
}

export interface DeadLetterDeps {
  readonly queue: Pick<JobQueue, "peek" | "takeDeadLetters">;
  readonly jobs: Pick<JobStore, "get">;
  /** The worker pools there are. */
  readonly pools: readonly string[];
}

/** More the broker does not give at a time. */
const PEEK_COUNT = 250;
/** The broker may hand over fewer letters than there are; each further taking brings the next ones. */
const TAKE_TRIES = 3;

export function createDeadLetters({ queue, jobs, pools }: DeadLetterDeps): DeadLetters {
  /** A name from outside must not reach any other queue. */
  const isJobQueue = (queueName: string): boolean =>
    pools.some((pool) => PRIORITIES.some((priority) => jobQueueName(pool, priority) === queueName));

  async function find(queueName: string, sequenceNumber: string): Promise<PeekedMessage | undefined> {
    const request = { deadLetter: true, fromSequenceNumber: sequenceNumber, maxCount: 1 };
    const [letter] = await queue.peek(queueName, request);
    return letter?.sequenceNumber === sequenceNumber ? letter : undefined;
  }

  /** How many letters lie before this one; undefined when they are too many. */
  async function countBefore(queueName: string, sequenceNumber: string): Promise<number | undefined> {
    let from = "1";
    for (let count = 0; count < DEAD_LETTERS_MAX_LOCKED;) {
      const letters = await queue.peek(queueName, { deadLetter: true, fromSequenceNumber: from, maxCount: PEEK_COUNT });
      const index = letters.findIndex((letter) => BigInt(letter.sequenceNumber) >= BigInt(sequenceNumber));
      if (index >= 0) return count + index;
      const last = letters.at(-1);
      if (last === undefined) return count;
      count += letters.length;
      from = nextAfter(last.sequenceNumber);
    }
    return undefined;
  }

  /** Locks letters, oldest first, until it has this one; gives the others back. */
  async function take(queueName: string, sequenceNumber: string, before: number): Promise<ReceivedMessage | undefined> {
    const others: ReceivedMessage[] = [];
    try {
      for (let tries = 0; tries < TAKE_TRIES; tries++) {
        const taken = await queue.takeDeadLetters(queueName, before + 1);
        const wanted = taken.find((letter) => letter.sequenceNumber === sequenceNumber);
        others.push(...taken.filter((letter) => letter !== wanted));
        if (wanted !== undefined || taken.length === 0) return wanted;
      }
      return undefined;
    } finally {
      // One that cannot be given back returns when its lock ends.
      await Promise.allSettled(others.map((letter) => letter.abandon()));
    }
  }

  return {
    async list(caller, { pool, tenantName, poison, pageSize, continuationToken }) {
      if (!pools.includes(pool)) throw invalidField("pool", `is not one of the worker pools: ${pools.join(", ")}`);
      const start = continuationToken === undefined ? FIRST : positionIn(continuationToken);
      const items: DeadLetterView[] = [];
      let lookedAt = 0;
      for (let { index, from } = start; index < PRIORITIES.length; index++, from = FIRST.from) {
        const queueName = queueAt(pool, index);
        for (;;) {
          const letters = await queue.peek(queueName, {
            deadLetter: true,
            fromSequenceNumber: from,
            maxCount: PEEK_COUNT,
          });
          if (letters.length === 0) break;
          for (const letter of letters) {
            from = nextAfter(letter.sequenceNumber);
            if (isShown(letter, caller, tenantName, poison)) items.push(deadLetterView(queueName, letter));
            if (items.length === pageSize) return { items, continuationToken: encode({ index, from }) };
          }
          lookedAt += letters.length;
          if (lookedAt >= DEAD_LETTERS_MAX_LOOKED_AT) return { items, continuationToken: encode({ index, from }) };
        }
      }
      return { items, continuationToken: undefined };
    },

    async remove(caller, queueName, sequenceNumber) {
      const named = isJobQueue(queueName) && SEQUENCE_NUMBER.test(sequenceNumber);
      const letter = named ? await find(queueName, sequenceNumber) : undefined;
      if (letter === undefined || !isShown(letter, caller, undefined, true)) throw noSuchLetter(sequenceNumber);
      const subject = subjectOf(letter.parsed);
      if (subject !== undefined) {
        const job = await jobs.get(subject.jobId);
        if (job !== undefined && !isTerminal(job.value.state)) {
          throw new ConflictError(
            "JobNotEnded",
            `Job ${job.value.jobId} is ${job.value.state} and may need its message.`,
          );
        }
      }
      const before = await countBefore(queueName, sequenceNumber);
      const taken = before === undefined ? undefined : await take(queueName, sequenceNumber, before);
      if (taken === undefined) throw outOfReach(sequenceNumber);
      await taken.complete();
    },
  };
}

function isShown({ parsed }: PeekedMessage, caller: Caller, tenantName: string | undefined, poison: boolean): boolean {
  const subject = subjectOf(parsed);
  const tenant = subject && parseJobId(subject.jobId)?.tenantName;
  if (tenant === undefined) return poison && caller.mayOperate();
  return (tenantName === undefined || tenantName === tenant) && caller.mayUse(tenant);
}

const SEQUENCE_NUMBER = /^[1-9]\d{0,18}$/;

const nextAfter = (sequenceNumber: string): string => String(BigInt(sequenceNumber) + 1n);

const noSuchLetter = (sequenceNumber: string): NotFoundError =>
  new NotFoundError("DeadLetterNotFound", `There is no dead letter ${sequenceNumber} in this queue.`);

const outOfReach = (sequenceNumber: string): NotFoundError =>
  new NotFoundError(
    "DeadLetterNotFound",
    `Dead letter ${sequenceNumber} is held by somebody else, or has ${DEAD_LETTERS_MAX_LOCKED} or more before it.`,
  );

// --- Pages -----------------------------------------------------------------------------------------------------------

interface Position {
  /** Of the priority whose queue it is. */
  readonly index: number;
  /** Sequence number the page begins at. */
  readonly from: string;
}

const FIRST: Position = { index: 0, from: "1" };

const queueAt = (pool: string, index: number): string => jobQueueName(pool, PRIORITIES[index] ?? PRIORITIES[0]);

const encode = ({ index, from }: Position): string => Buffer.from(`1:${index}:${from}`).toString("base64url");

/** Throws InvalidRequestError for a text `encode` did not make. */
function positionIn(token: string): Position {
  const [, index, from] = /^1:(\d):([1-9]\d{0,18})$/.exec(Buffer.from(token, "base64url").toString()) ?? [];
  const position = from === undefined ? undefined : { index: Number(index), from };
  if (position !== undefined && position.index < PRIORITIES.length && encode(position) === token) return position;
  throw invalidField("continuationToken", "must be the one a page of this very list ended with");
}
