/**
 * Keys callers give to what they submit, so that a request may be repeated: a job's own id, or an idempotency key. A key
 * stands for one job or batch of its tenant from the moment its row is there, which is before the job or batch is.
 */
import { IDEMPOTENCY_KEY_DAYS } from "../limits.ts";

export const KEY_KINDS = ["job-id", "idempotency-key"] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

/** Names a key within its tenant. */
export interface KeyName {
  readonly kind: KeyKind;
  readonly key: string;
}

/** What a key stands for. */
export interface KeyRecord {
  readonly kind: KeyKind;
  /** Of the job or batch. */
  readonly id: string;
  /** Of the request the key came with: another one may not use it. */
  readonly requestHash: string;
  readonly createdAt: Date;
}

/**
 * The key of one job of many: a whole request repeats job by job. A line feed is in no key of a caller, so the result is
 * none that another request could give.
 */
export const itemKey = (idempotencyKey: string, index: number): string => `${idempotencyKey}\n${index}`;

const IDEMPOTENCY_KEY_MS = IDEMPOTENCY_KEY_DAYS * 24 * 60 * 60_000;

/** Idempotency keys created before then are free again. */
export const keysExpireBefore = (now: Date): Date => new Date(now.getTime() - IDEMPOTENCY_KEY_MS);

/** A client's job id stays taken as long as the job exists. */
export const isExpired = ({ kind, createdAt }: Pick<KeyRecord, "kind" | "createdAt">, expiredBefore: Date): boolean =>
  kind === "idempotency-key" && createdAt.getTime() < expiredBefore.getTime();
