/**
 * Decides which rows to write so that the timers of a package are registered as it declares them. Pure.
 *
 * | declared               | stored           | then                                                                      |
 * |------------------------|------------------|---------------------------------------------------------------------------|
 * | yes                    | no               | inserted; it ticks from now on                                            |
 * | with another schedule  | yes              | written; it ticks by the new schedule from now on. Paused stays paused    |
 * | yes                    | overridden       | the tenant's schedule stays; the declared one is stored beside it         |
 * | with other settings    | yes              | written; its ticks continue                                               |
 * | yes                    | impossible times | written with new times                                                    |
 * | the same, same version | yes              | nothing                                                                   |
 * | no                     | yes              | removed                                                                   |
 */
import { believedTimer } from "../../core/timer/believed.ts";
import type { DeclaredTimer } from "../../core/timer/declared.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { scheduleHashOf, type Timer } from "../../core/timer/timer.ts";

export interface RegistrationFacts {
  readonly declared: readonly DeclaredTimer[];
  /** Hash of the version that declares them. */
  readonly packageHash: string;
  /** Rows of the same package. */
  readonly stored: readonly Stored<Timer>[];
  readonly now: Date;
}

export interface RegistrationPlan {
  /** The planned state of every declared timer, in the order of the declarations. */
  readonly timers: readonly PlannedTimer[];
  readonly removals: readonly Stored<Timer>[];
}

export interface PlannedTimer {
  readonly timer: Timer;
  /** Undefined: the row is already right. `etag` undefined: insert it. */
  readonly write: { readonly etag: string | undefined } | undefined;
}

export function planRegistration({ declared, packageHash, stored, now }: RegistrationFacts): RegistrationPlan {
  const byName = new Map(stored.map((row) => [row.value.timerName, row]));
  const names = new Set(declared.map(({ timerName }) => timerName));
  return {
    timers: declared.map((declaration) => {
      const row = byName.get(declaration.timerName);
      const timer = timerOf(declaration, packageHash, row?.value, now);
      return { timer, write: row !== undefined && isSame(row.value, timer) ? undefined : { etag: row?.etag } };
    }),
    removals: stored.filter(({ value }) => !names.has(value.timerName)),
  };
}

function timerOf(declaration: DeclaredTimer, packageHash: string, row: Timer | undefined, now: Date): Timer {
  const known = row && believedTimer(row, now);
  const { cron, timeZone } = declaration;
  const override = known?.override && { ...known.override, declaredCron: cron, declaredTimeZone: timeZone };
  const schedule = known !== undefined && override !== undefined ? known : declaration;
  // A new schedule does not catch up on ticks of the past.
  const goesOn = known !== undefined && scheduleHashOf(known) === scheduleHashOf(schedule);
  return {
    ...declaration,
    ...{ cron: schedule.cron, timeZone: schedule.timeZone },
    packageHash,
    registeredAt: known?.registeredAt ?? now,
    activeFrom: goesOn ? known.activeFrom : now,
    scheduledUpTo: goesOn ? known.scheduledUpTo : now,
    pausedAt: known?.pausedAt,
    pausedBy: known?.pausedBy,
    override,
  };
}

/** The other fields are copied from the row, or follow from the schedule. */
const isSame = (known: Timer, timer: Timer): boolean =>
  known.cron === timer.cron &&
  known.timeZone === timer.timeZone &&
  JSON.stringify(known.misfire) === JSON.stringify(timer.misfire) &&
  known.overlap === timer.overlap &&
  known.graceMs === timer.graceMs &&
  known.runOnDeploy === timer.runOnDeploy &&
  known.pool === timer.pool &&
  known.priority === timer.priority &&
  known.override?.declaredCron === timer.override?.declaredCron &&
  known.override?.declaredTimeZone === timer.override?.declaredTimeZone &&
  known.activeFrom.getTime() === timer.activeFrom.getTime() &&
  known.scheduledUpTo.getTime() === timer.scheduledUpTo.getTime() &&
  known.packageHash === timer.packageHash;
