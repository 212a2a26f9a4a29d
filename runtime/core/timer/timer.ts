/**
 * What a timer is: a schedule, and the job type that runs when it ticks. A package declares it; publishing the package
 * registers it. Its runs are ordinary jobs of one batch.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { TIMER_DIGITS, TIMER_JOB_DIGITS, encodeBase32, timerBatchId, timerJobId } from "../job/ids.ts";
import type { Notice } from "../job/notice.ts";
import type { Priority } from "../job/priority.ts";
import type { Misfire, Overlap } from "../package/manifest.ts";

/** Names a timer everywhere. */
export interface TimerName {
  readonly tenantName: string;
  /** The package that declares it, as published: ends in `.zip`. */
  readonly packageName: string;
  /** Unique within the package; also the job type of its runs. */
  readonly timerName: string;
}

/** What a timer should do: its declaration, what people want of it now, and how far its ticks have been sent. */
export interface Timer extends TimerName {
  /** Cron of six fields (or five), or a time span. */
  readonly cron: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly misfire: Misfire;
  readonly overlap: Overlap;
  /** A run that starts later than its tick by more than this is past due. */
  readonly graceMs: number;
  readonly runOnDeploy: boolean;
  readonly pool: string;
  readonly priority: Priority;
  /** Of the package version that declared it last. */
  readonly packageHash: string;
  readonly registeredAt: Date;
  /** Ticks up to here do not count: the timer was registered, rescheduled or resumed then. */
  readonly activeFrom: Date;
  /** Ticks up to here have been sent. */
  readonly scheduledUpTo: Date;
  /** Undefined: it is not paused. */
  readonly pausedAt: Date | undefined;
  readonly pausedBy: string | undefined;
  /** Its tenant's own schedule, in place of the one that its package declares. Undefined: it runs as declared. */
  readonly override: ScheduleOverride | undefined;
}

export interface ScheduleOverride {
  /** What the package declares: in force again when the override is taken back. */
  readonly declaredCron: string;
  readonly declaredTimeZone: string;
  readonly setAt: Date;
  readonly setBy: string;
}

/** What a timer does: which job may run, and what became of its ticks. Workers write it. */
export interface TimerRun {
  /** Of the timer; its key. */
  readonly batchId: string;
  /** The job that may run: the timer is free when that has ended. Undefined: none has run yet. */
  readonly currentJobId: string | undefined;
  /** Grows with every start that was let through. */
  readonly fence: number;
  /** Jobs that wait for the timer to be free, in the order of their ticks. */
  readonly waitingJobIds: readonly string[];
  /** Ticks up to here have been judged: run, skipped or counted as missed. Undefined: none yet. */
  readonly coveredUpTo: Date | undefined;
  /** But for these, in their order: a later one came first, and they may still come. */
  readonly overtakenTicks: readonly Date[];
  /** The tick of the latest run. */
  readonly lastScheduledAt: Date | undefined;
  /** Ticks that met a run of the same timer and were not run. */
  readonly skippedCount: number;
  readonly lastSkippedAt: Date | undefined;
  /** Ticks that came too late, or never, and were not run. */
  readonly missedCount: number;
  readonly lastMissedAt: Date | undefined;
  /** The latest of them, in their order: one that was admitted before it was counted has a row, and must not run. */
  readonly missedTicks: readonly Date[];
  /** The latest notice of them to webhooks. Undefined: there was none. The sweeper writes it. */
  readonly missedNotice?: Notice | undefined;
}

/** The row of a timer that has not run yet. */
export const newTimerRun = (batchId: string): TimerRun => ({
  batchId,
  currentJobId: undefined,
  fence: 0,
  waitingJobIds: [],
  coveredUpTo: undefined,
  overtakenTicks: [],
  lastScheduledAt: undefined,
  skippedCount: 0,
  lastSkippedAt: undefined,
  missedCount: 0,
  lastMissedAt: undefined,
  missedTicks: [],
});

const ZIP_SUFFIX = /\.zip$/;

/** `{tenantName}.{package}.{timer}`, without the package's `.zip`: what a tick is addressed to. */
export const listenerOf = ({ tenantName, packageName, timerName }: TimerName): string =>
  `${tenantName}.${packageName.replace(ZIP_SUFFIX, "")}.${timerName}`;

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const SUBSCRIPTION_NAME_MAX_LENGTH = 50;
const SUBSCRIPTION_DIGITS = 16;

/**
 * The name of the timer's subscription: its listener. One too long, or with capitals, which Service Bus does not tell
 * from small letters, is cut and gets digits that stand for the whole.
 */
export function subscriptionNameOf(timer: TimerName): string {
  const listener = listenerOf(timer);
  if (listener.length <= SUBSCRIPTION_NAME_MAX_LENGTH && listener === listener.toLowerCase()) return listener;
  const kept = listener.toLowerCase().slice(0, SUBSCRIPTION_NAME_MAX_LENGTH - SUBSCRIPTION_DIGITS - 1);
  return `${kept.replace(/[^a-z0-9]+$/, "")}-${digestDigits(SUBSCRIPTION_DIGITS, listener)}`;
}

/** The batch of a timer's runs. */
export const batchIdOf = (timer: TimerName): string =>
  timerBatchId(timer.tenantName, digestDigits(TIMER_DIGITS, listenerOf(timer)));

/** What people see as the name of that batch. */
export const batchNameOf = ({ timerName }: Pick<TimerName, "timerName">): string => `timer:${timerName}`;

/** Distinguishes the schedules of a timer, so that ticks of a former schedule are ignored. */
export const scheduleHashOf = ({ cron, timeZone }: Pick<Timer, "cron" | "timeZone">): string =>
  digestOf(cron, timeZone).slice(0, 16);

/**
 * The job of a tick: the same for every receiver, however often it arrives. `cause` distinguishes runs for the same
 * time.
 */
export const tickJobId = (timer: TimerName, scheduledAt: Date, cause: string): string =>
  timerJobId(batchIdOf(timer), scheduledAt, digestDigits(TIMER_JOB_DIGITS, cause));

/** SHA-256 of the parts, in hexadecimal. `("ab", "c")` and `("a", "bc")` differ. */
export const digestOf = (...parts: readonly string[]): string => bytesToHex(digest(parts));

/** The digest in letters and digits of ids, five bits each; at most 50. */
const digestDigits = (length: number, ...parts: readonly string[]): string =>
  encodeBase32(BigInt(`0x${bytesToHex(digest(parts))}`) & ((1n << BigInt(5 * length)) - 1n), length);

const digest = (parts: readonly string[]): Uint8Array => sha256(utf8ToBytes(JSON.stringify(parts)));
