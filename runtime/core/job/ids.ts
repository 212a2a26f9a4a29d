/**
 * Ids read as a path and suffice for a point read:
 * `batchId = {tenantName}.{newest-first time id}`, `jobId = {batchId}.{shard}.{time id}`.
 * Every character is safe in table keys, blob paths, URLs and Service Bus MessageIds.
 */
import { InvariantError } from "../errors.ts";
import { DEFAULT_BATCHES_PER_DAY_MAX, POOL_NAME_MAX_LENGTH, TENANT_NAME_MAX_LENGTH } from "../limits.ts";
import type { Clock } from "../clock.ts";

/** Numbers in ids: Crockford's base 32 in lower case, which sorts as its value and has no letters mistaken for digits. */
const BASE32_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** The last `length` digits. */
export function encodeBase32(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest >>= 5n) text = BASE32_DIGITS.charAt(Number(rest & 31n)) + text;
  return text;
}

const TIME_LENGTH = 10;
const RANDOM_LENGTH = 8;
const TIME_END = 32 ** TIME_LENGTH - 1;
const TIME_ID = `[${BASE32_DIGITS}]{${TIME_LENGTH + RANDOM_LENGTH}}`;

/** Lower-case letters, digits and inner hyphens. */
const NAME = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
export const TENANT_NAME_PATTERN = new RegExp(`^(?=.{1,${TENANT_NAME_MAX_LENGTH}}$)${NAME}$`);
export const POOL_NAME_PATTERN = new RegExp(`^(?=.{1,${POOL_NAME_MAX_LENGTH}}$)${NAME}$`);
const BATCH_ID_PATTERN = new RegExp(`^(${NAME})\\.(${TIME_ID})$`);
const JOB_ID_PATTERN = new RegExp(`^((${NAME})\\.${TIME_ID})\\.(\\d{2})\\.(${TIME_ID})$`);

/** One partition takes about 2,000 writes a second; batches that may grow large are spread over this many. */
export const LARGE_BATCH_SHARD_COUNT = 16;

export interface BatchIdParts {
  readonly tenantName: string;
}

export interface JobIdParts {
  readonly batchId: string;
  readonly tenantName: string;
  readonly shard: number;
  /** Partition key of the job's row: `{batchId}.{shard}`. */
  readonly partition: string;
}

/** The parts of an id; undefined for any other text. */
export function parseBatchId(text: string): BatchIdParts | undefined {
  const match = BATCH_ID_PATTERN.exec(text);
  const tenantName = match?.[1];
  return tenantName !== undefined && TENANT_NAME_PATTERN.test(tenantName) ? { tenantName } : undefined;
}

/** The parts of an id; undefined for any other text. */
export function parseJobId(text: string): JobIdParts | undefined {
  const match = JOB_ID_PATTERN.exec(text);
  const [, batchId, tenantName, shard] = match ?? [];
  if (batchId === undefined || tenantName === undefined || shard === undefined) return undefined;
  if (!TENANT_NAME_PATTERN.test(tenantName)) return undefined;
  return { batchId, tenantName, shard: Number(shard), partition: `${batchId}.${shard}` };
}

/** As `parseJobId`, for an id made here. Throws InvariantError for any other text. */
export function jobIdParts(jobId: string): JobIdParts {
  const parts = parseJobId(jobId);
  if (parts === undefined) throw new InvariantError(`Not a job id: ${jobId}`);
  return parts;
}

export const partitionOf = (batchId: string, shard: number): string => `${batchId}.${String(shard).padStart(2, "0")}`;

const encode = (value: number, length: number): string => encodeBase32(BigInt(value), length);

/** Texts that sort the later instant first. */
export const newestFirst = (at: Date): string => encode(TIME_END - at.getTime(), TIME_LENGTH);

const DAY_MS = 24 * 60 * 60_000;

/**
 * The batch of jobs that name none, of a day (UTC) and tenant: the same id from every process. `number` counts those of
 * one day, from 0: another one begins when the last was closed or canceled.
 */
export const defaultBatchId = (tenantName: string, now: number, number = 0): string =>
  `${tenantName}.${encode(TIME_END - (now - (now % DAY_MS)), TIME_LENGTH)}${encode(number, RANDOM_LENGTH)}`;

/**
 * Real batches begin with the time since 1970, counted down; a time before 2004 marks those of timers, behind all
 * others.
 */
const TIMER_BATCH_MARK = "zz";

/** The batch of all runs of a timer. `digits` distinguish it from the tenant's other timers. */
export const timerBatchId = (tenantName: string, digits: string): string => {
  const id = TIMER_BATCH_MARK + digits;
  if (id.length !== TIME_LENGTH + RANDOM_LENGTH) throw new InvariantError(`Not the digits of a timer: ${digits}`);
  return `${tenantName}.${id}`;
};

export const TIMER_DIGITS = TIME_LENGTH + RANDOM_LENGTH - TIMER_BATCH_MARK.length;

/** Whether a batch is that of a timer. */
export const isTimerBatch = (batchId: string): boolean => batchId.includes(`.${TIMER_BATCH_MARK}`);

/** A run of a timer; those for later times sort first. `digits` tell runs for the same time apart. */
export const timerJobId = (batchId: string, at: Date, digits: string): string =>
  `${partitionOf(batchId, 0)}.${newestFirst(at)}${digits}`;

/**
 * Sorts the jobs of a tenant newest first, by the time in their ids: when a job was submitted, or the time a timer's run
 * is for.
 */
export const newestFirstKey = (jobId: string): string => `${newestFirst(jobTime(jobId))}.${jobId}`;

/** The time in its id. Throws InvariantError for another text. */
export function jobTime(jobId: string): Date {
  const { batchId } = jobIdParts(jobId);
  const time = decode(timeIdOf(jobId).slice(0, TIME_LENGTH));
  return new Date(isTimerBatch(batchId) ? TIME_END - time : time);
}

/** The time in an id of the form of a batch's. Throws InvariantError for another text. */
export function batchTime(id: string): Date {
  if (parseBatchId(id) === undefined) throw new InvariantError(`Not an id with a time: ${id}`);
  return new Date(TIME_END - decode(id.slice(id.indexOf(".") + 1).slice(0, TIME_LENGTH)));
}

const decode = (text: string): number =>
  Array.from(text, (digit) => BASE32_DIGITS.indexOf(digit)).reduce((value, digit) => value * 32 + digit, 0);

export const TIMER_JOB_DIGITS = RANDOM_LENGTH;

const timeIdOf = (id: string): string => id.slice(id.lastIndexOf(".") + 1);

/** The day (UTC) of a batch that `defaultBatchId` names. Undefined: another batch. */
export function dayOfDefaultBatch(batchId: string): Date | undefined {
  const timeId = timeIdOf(batchId);
  const at = TIME_END - decode(timeId.slice(0, TIME_LENGTH));
  const isNumbered = decode(timeId.slice(TIME_LENGTH)) < DEFAULT_BATCHES_PER_DAY_MAX;
  return at % DAY_MS === 0 && isNumbered ? new Date(at) : undefined;
}

/** Makes ids that are unique across processes and, within one source, strictly ordered. */
export interface IdSource {
  batchId(tenantName: string): string;
  /** A job id in the given batch; consecutive ids spread over its shards. */
  jobId(batchId: string, shardCount: number): string;
}

export interface IdSourceDeps {
  readonly now: Clock["now"];
  /** 32 unpredictable bits, twice per id. */
  readonly random32: () => number;
}

const RANDOM_RANGE = 32 ** RANDOM_LENGTH;

export function createIdSource({ now, random32 }: IdSourceDeps): IdSource {
  let lastTime = 0;
  let lastRandom = 0;
  let nextShard = random32();

  /** Within one millisecond the random part counts on, so that ids sort in the order they were made. */
  function next(): { time: number; random: number } {
    const time = Math.max(now().getTime(), lastTime);
    const fresh = (random32() % 2 ** 19) * 2 ** 20 + (random32() % 2 ** 20);
    const random = time === lastTime ? lastRandom + 1 + (fresh % 1_000) : fresh;
    if (random >= RANDOM_RANGE) {
      lastTime = time + 1;
      lastRandom = fresh % 1_000;
    } else {
      lastTime = time;
      lastRandom = random;
    }
    return { time: lastTime, random: lastRandom };
  }

  return {
    batchId(tenantName) {
      const { time, random } = next();
      return `${tenantName}.${encode(TIME_END - time, TIME_LENGTH)}${encode(RANDOM_RANGE - 1 - random, RANDOM_LENGTH)}`;
    },
    jobId(batchId, shardCount) {
      const { time, random } = next();
      nextShard = (nextShard + 1) % shardCount;
      return `${partitionOf(batchId, nextShard)}.${encode(time, TIME_LENGTH)}${encode(random, RANDOM_LENGTH)}`;
    },
  };
}
