/**
 * Everything a worker owes the machine it runs on, each part only where it is set: health, the service watchdog,
 * protection from scale-in, scheduled events, following releases. What they decide meets in one departure.
 */
import type { ReleaseSettings, ScaleSetSettings, WorkerMachineSettings } from "../../core/settings/machine-settings.ts";
import type { NotReady } from "../../core/http/readiness.ts";
import type { Logger } from "../../core/logger.ts";
import type { ScaleSetServices } from "../../core/ports/machine.ts";
import type { ReleaseReader } from "../../core/ports/release-reader.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { ALWAYS_PERMITTED, type WorkPermit } from "../attempt/attempt.ts";
import type { Worker } from "../worker.ts";
import { createDeparture, type Departure } from "./departure.ts";
import {
  type ServedMetrics,
  type Vitals,
  feedServiceWatchdog,
  isAlive,
  isWell,
  partsNotReady,
  serveHealth,
} from "./health.ts";
import { followReleases } from "./release-follow.ts";
import { joinScaleSet } from "./scale-set-member.ts";
import type { Clock } from "../../core/clock.ts";

export interface MachineDeps {
  readonly settings: WorkerMachineSettings;
  readonly connectReleases: (settings: ReleaseSettings) => Promise<ReleaseReader>;
  readonly connectScaleSet: (settings: ScaleSetSettings) => ScaleSetServices;
  /** Of the code that runs. */
  readonly version: string;
  readonly slots: number;
  /** Lock duration of the pool's queues. */
  readonly lockMs: number;
  /** What running jobs get when the instance turns out to be deleted without notice. */
  readonly drainMs: number;
  /** Where programs are found. */
  readonly path: string;
  /** Ends the process with success; its supervisor starts it anew. */
  readonly end: () => void;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  readonly random: () => number;
  readonly log: Logger;
  readonly unreadable: Pick<Unreadable, "formats">;
  /** Default: metrics are not served. */
  readonly metrics?: ServedMetrics | undefined;
  /** For tests, which cannot wait. */
  readonly pace?: MachinePace;
}

export interface MachinePace {
  readonly eventPollMs?: number;
}

export interface Machine {
  readonly permit: WorkPermit;
  /** From scale-in. Undefined: it is not on a scale set, or protection is off. */
  readonly isProtected: (() => boolean) | undefined;
  /** Undefined where health is not served. */
  readonly healthPort: number | undefined;
  /** The worker receives from now on. */
  attach(worker: Worker): void;
  /** The machine is to be replaced once it is idle. */
  reportDefect(): void;
  /** Once the worker has drained. */
  stop(): Promise<void>;
}

/** Health is served first: a machine that does not answer while it starts would be replaced. */
export async function openMachine(deps: MachineDeps): Promise<Machine> {
  const { settings, connectReleases, version, slots, monotonicNow, random, log, pace = {} } = deps;
  const { eventPollMs } = pace;
  const startedAt = monotonicNow();
  let worker: Worker | undefined;
  let defectiveSince: number | undefined;
  const runningCount = (): number => worker?.runningCount ?? 0;
  const departure = createDeparture({ end: deps.end, monotonicNow, log });
  const vitals = (): Vitals => ({
    now: monotonicNow(),
    startedAt,
    contact: worker?.contact(),
    runningCount: runningCount(),
    leaving: departure.state !== "serving",
    defectiveSince,
  });
  const notReady = (): readonly NotReady[] =>
    partsNotReady(vitals()).map(({ part, since }) => ({
      part,
      since: new Date(deps.now().getTime() - (monotonicNow() - since)),
    }));

  const { healthPort, watchdog, scaleSet, releases } = settings;
  const health =
    healthPort === undefined
      ? undefined
      : await serveHealth(healthPort, {
          isWell: () => isWell(vitals()),
          notReady,
          unreadable: deps.unreadable,
          metrics: deps.metrics,
        });
  const stopWatchdog = watchdog && feedServiceWatchdog({ settings: watchdog, isAlive: () => isAlive(vitals()), log });
  const member =
    scaleSet &&
    (await joinScaleSet({
      ...deps,
      settings: scaleSet,
      services: deps.connectScaleSet(scaleSet),
      departure,
      runningCount,
      ...(eventPollMs !== undefined && { eventPollMs }),
    }));
  let stopFollowing: (() => Promise<void>) | undefined;

  const reader = releases && (await connectReleases(releases));
  return {
    permit: unlessLeaving(member?.permit ?? ALWAYS_PERMITTED, departure),
    isProtected: member?.isProtected,
    healthPort: health?.port,
    attach(attached) {
      worker = attached;
      departure.attach(attached);
      stopFollowing =
        reader &&
        followReleases({
          releases: reader,
          ownVersion: version,
          slots,
          runningCount,
          departure,
          monotonicNow,
          random,
          log,
          pollMs: settings.releasePollMs,
          patienceMs: settings.releasePatienceMs,
        });
    },
    reportDefect() {
      defectiveSince ??= monotonicNow();
    },
    async stop() {
      departure.stop();
      stopWatchdog?.();
      await Promise.all([stopFollowing?.(), member?.stop()]);
      await health?.close();
    },
  };
}

/** A message that waits when the worker begins to leave goes back: others can start its job at once. */
function unlessLeaving(permit: WorkPermit, { leaving }: Departure): WorkPermit {
  return {
    get open() {
      return !leaving.aborted && permit.open;
    },
    onChange(listener) {
      permit.onChange(listener);
      leaving.addEventListener("abort", listener);
    },
    async acquire(until) {
      const held = await permit.acquire(AbortSignal.any([until, leaving]));
      if (!leaving.aborted) return held;
      held?.[Symbol.dispose]();
      return undefined;
    },
  };
}
