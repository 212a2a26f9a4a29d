/** A limit by key: of which jobs it holds together, and what the row of its line says beside its places. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { LIMIT_KEY_MAX_LENGTH } from "../limits.ts";
import type { TakenTimes } from "./rate.ts";

/** What a package declares of a job type. */
export interface JobLimits {
  readonly concurrency?: ConcurrencyLimit | undefined;
  readonly rate?: RateLimit | undefined;
}

export interface ConcurrencyLimit {
  /** Jobs that differ in this parameter have limits of their own, such as `parameters.customer`. Default: one for all. */
  readonly key?: string | undefined;
  /** So many run at once, over all workers. */
  readonly max: number;
}

export interface RateLimit {
  readonly key?: string | undefined;
  /** So many start in any span of `perSeconds`, over all workers. */
  readonly max: number;
  readonly perSeconds: number;
}

/** `tenant`: the quota of jobs that a tenant runs at once. */
export const LIMIT_KINDS = ["concurrency", "rate", "tenant"] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];

/** Jobs under one limit: those of a tenant, of one type, with one key. */
export interface LineName {
  readonly tenantName: string;
  /** Empty: of all types. */
  readonly jobType: string;
  readonly kind: LimitKind;
  /** `KEY_OF_ALL`: the limit has no key. */
  readonly key: string;
}

/** So many jobs of a tenant run at once, whatever their types, keys and pools are. */
export interface RunningLimit {
  readonly tenantName: string;
  readonly max: number;
  readonly setAt: Date;
  readonly setBy: string;
}

/** The row of a line, beside its places. */
export interface LineHead {
  /** Jobs that may run at once. Of a rate: 0. */
  readonly max: number;
  /** How often `max` was changed: part of the bells' MessageIds (R28). */
  readonly era: number;
  /** Of the next place. */
  readonly nextTicket: number;
  /** Of a rate: the times that are taken. */
  readonly taken: TakenTimes;
}

export const NEW_LINE: LineHead = { max: 0, era: 0, nextTicket: 1, taken: [] };

/** `parameters.a.b`: the way to a value in the parameters. */
const KEY_PREFIX = "parameters.";
export const LIMIT_KEY_PATH = /^parameters(?:\.[^.\s]+)+$/;

/** The key of jobs whose limit has none, and of those that lack the parameter. */
const KEY_OF_ALL = "*";

/**
 * The key of a job, from its parameters. Jobs without the value share one key, so that a limit holds for them too. A
 * value that is not a text counts as its JSON. A long one is replaced by its hash.
 */
export function limitKeyOf(limit: { readonly key?: string | undefined }, parameters: unknown): string {
  if (limit.key === undefined) return KEY_OF_ALL;
  let value: unknown = parameters;
  for (const name of limit.key.slice(KEY_PREFIX.length).split(".")) {
    value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  if (value === undefined || value === null || value === "") return KEY_OF_ALL;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= LIMIT_KEY_MAX_LENGTH ? text : `#${bytesToHex(sha256(utf8ToBytes(text)))}`;
}

/** The line of all jobs of a tenant that has such a quota. */
export const tenantLine = (tenantName: string): LineName => ({
  ...{ tenantName, jobType: "", kind: "tenant", key: KEY_OF_ALL },
});

/** The columns of a job's row that its limits are made of. */
export interface LimitKeys {
  readonly concurrencyKey?: string | undefined;
  readonly rateKey?: string | undefined;
}

/** Which limits hold for a job that is submitted. `given`: the submitter's own key for its concurrency. */
export function limitKeysOf(limits: JobLimits | undefined, given: string | undefined, parameters: unknown): LimitKeys {
  const { concurrency, rate } = limits ?? {};
  return {
    concurrencyKey: given ?? (concurrency && limitKeyOf(concurrency, parameters)),
    rateKey: rate && limitKeyOf(rate, parameters),
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
