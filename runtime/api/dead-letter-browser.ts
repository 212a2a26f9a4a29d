/** Lists the dead letters a caller may see, and removes one that no job needs. A dead letter's job says the same in its row. */
import { jobQueueName } from "../core/deployment/topology.ts";
import { ConflictError, NotFoundError, invalidField } from "../core/errors.ts";
import { type DeadLetterView, deadLetterView } from "../core/http/views.ts";
import { parseJobId } from "../core/job/ids.ts";
import { subjectOf } from "../core/job/message.ts";
import { PRIORITIES } from "../core/job/priority.ts";
import { isTerminal } from "../core/job/states.ts";
import { DEAD_LETTERS_MAX_LOCKED, DEAD_LETTERS_MAX_LOOKED_AT } from "../core/limits.ts";
import type { ReceivedMessage, JobQueue, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Page, PageRequest } from "../core/ports/stored.ts";
import type { Caller } from "./auth/caller.ts";

export interface DeadLetterBrowser {
  /** Queue by queue, most urgent first, then oldest first. A page may be shorter than asked and not be the last. */
  list(caller: Caller, query: DeadLetterQuery): Promise<Page<DeadLetterView>>;
  /** Throws DeadLetterNotFound; JobNotEnded when the job may still need its message. */
  remove(caller: Caller, queueName: string, sequenceNumber: string): Promise<{ readonly jobId: string | undefined }>;
}

export interface DeadLetterQuery extends PageRequest {
  readonly pool: string;
  /** Default: every tenant the caller may use. */
  readonly tenantName?: string | undefined;
  /** Also messages that are not bells, for callers who operate the system. */
  readonly poison: boolean;
}

export interface DeadLetterBrowserDeps {
  readonly queue: Pick<JobQueue, "peek" | "takeDeadLetters">;
  readonly jobs: Pick<JobStore, "get">;
  /** The worker pools there are. */
  readonly pools: readonly string[];
}

/** The broker returns no more at a time. */
const PEEK_COUNT = 250;
/** The broker may return fewer than there are. Each further call returns the next ones. */
const TAKE_TRIES = 3;

export function createDeadLetterBrowser({ queue, jobs, pools }: DeadLetterBrowserDeps): DeadLetterBrowser {
  /** A name from a request must not reach any other queue. */
  const isJobQueue = (queueName: string): boolean =>
    pools.some((pool) => PRIORITIES.some((priority) => jobQueueName(pool, priority) === queueName));

  async function find(queueName: string, sequenceNumber: string): Promise<PeekedMessage | undefined> {
    const request = { deadLetter: true, fromSequenceNumber: sequenceNumber, maxCount: 1 };
    const [message] = await queue.peek(queueName, request);
    return message?.sequenceNumber === sequenceNumber ? message : undefined;
  }

  /** How many come before this one. Undefined: too many. */
  async function countBefore(queueName: string, sequenceNumber: string): Promise<number | undefined> {
    let from = "1";
    for (let count = 0; count < DEAD_LETTERS_MAX_LOCKED;) {
      const messages = await queue.peek(queueName, {
        deadLetter: true,
        fromSequenceNumber: from,
        maxCount: PEEK_COUNT,
      });
      const index = messages.findIndex((message) => BigInt(message.sequenceNumber) >= BigInt(sequenceNumber));
      if (index >= 0) return count + index;
      const last = messages.at(-1);
      if (last === undefined) return count;
      count += messages.length;
      from = nextAfter(last.sequenceNumber);
    }
    return undefined;
  }

  /** Locks dead letters, oldest first, until it has this one. Gives the others back. */
  async function take(queueName: string, sequenceNumber: string, before: number): Promise<ReceivedMessage | undefined> {
    const others: ReceivedMessage[] = [];
    try {
      for (let tries = 0; tries < TAKE_TRIES; tries++) {
        const taken = await queue.takeDeadLetters(queueName, before + 1);
        const wanted = taken.find((message) => message.sequenceNumber === sequenceNumber);
        others.push(...taken.filter((message) => message !== wanted));
        if (wanted !== undefined || taken.length === 0) return wanted;
      }
      return undefined;
    } finally {
      // A message that cannot be given back returns when its lock ends.
      await Promise.allSettled(others.map((message) => message.abandon()));
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
          const messages = await queue.peek(queueName, {
            deadLetter: true,
            fromSequenceNumber: from,
            maxCount: PEEK_COUNT,
          });
          if (messages.length === 0) break;
          for (const message of messages) {
            from = nextAfter(message.sequenceNumber);
            if (isShown(message, caller, tenantName, poison)) items.push(deadLetterView(queueName, message));
            if (items.length === pageSize) return { items, continuationToken: encode({ index, from }) };
          }
          lookedAt += messages.length;
          if (lookedAt >= DEAD_LETTERS_MAX_LOOKED_AT) return { items, continuationToken: encode({ index, from }) };
        }
      }
      return { items, continuationToken: undefined };
    },

    async remove(caller, queueName, sequenceNumber) {
      const named = isJobQueue(queueName) && SEQUENCE_NUMBER.test(sequenceNumber);
      const message = named ? await find(queueName, sequenceNumber) : undefined;
      if (message === undefined || !isShown(message, caller, undefined, true)) throw noSuchDeadLetter(sequenceNumber);
      const subject = subjectOf(message.parsed);
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
      return { jobId: subject?.jobId };
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

const noSuchDeadLetter = (sequenceNumber: string): NotFoundError =>
  new NotFoundError("DeadLetterNotFound", `There is no dead letter ${sequenceNumber} in this queue.`);

const outOfReach = (sequenceNumber: string): NotFoundError =>
  new NotFoundError(
    "DeadLetterNotFound",
    `Dead letter ${sequenceNumber} is locked by another request, or ${DEAD_LETTERS_MAX_LOCKED} or more come before it.`,
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
  throw invalidField("continuationToken", "must be the token of a page of this list");
}
