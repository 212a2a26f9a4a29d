/** A worker on an instance of a scale set: which instance it is, its protection from scale-in, its scheduled events. */
import type { ScaleSetSettings } from "../../core/settings/machine-settings.ts";
import { SettingsError } from "../../core/settings/environment.ts";
import { SETTING } from "../../core/settings/names.ts";
import type { Logger } from "../../core/logger.ts";
import { type Instance, type MachineMetadata, PlatformError, type ScaleSetServices } from "../../core/ports/machine.ts";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import { ALWAYS_PERMITTED, type WorkPermit } from "../attempt/attempt.ts";
import type { Departure } from "./departure.ts";
import { watchEvents } from "./event-watch.ts";
import { startProtection, type ProtectionDriver } from "./protection-driver.ts";

export interface ScaleSetMemberDeps {
  readonly settings: ScaleSetSettings;
  readonly services: ScaleSetServices;
  readonly departure: Departure;
  readonly runningCount: () => number;
  /** Lock duration of the pool's queues. */
  readonly lockMs: number;
  /** What running jobs get when the instance turns out to be deleted without notice. */
  readonly drainMs: number;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
  /** For tests: between two looks at scheduled events. */
  readonly eventPollMs?: number;
}

export interface ScaleSetMember {
  readonly permit: WorkPermit;
  /** From scale-in. Undefined: protection is off. */
  readonly isProtected: (() => boolean) | undefined;
  stop(): Promise<void>;
}

/** The metadata service of a machine that has just booted may take a while; beyond, something else is wrong. */
const INSTANCE_WITHIN_MS = 5 * 60_000;
const INSTANCE_RETRY_MS = 5_000;

/** Begins to watch events and to request protection. Throws when it cannot learn which instance this is. */
export async function joinScaleSet(deps: ScaleSetMemberDeps): Promise<ScaleSetMember> {
  const { settings, services, departure, lockMs, drainMs, monotonicNow, log } = deps;
  const { protection: mode, idleGraceMs } = settings;
  const { metadata } = services;
  const instance = await knownInstance(metadata, deps);
  const protection = mode === "off" ? undefined : services.protectionOf(instance);
  if (mode !== "off" && protection === undefined) {
    throw new SettingsError(
      `This machine, ${instance.name}, is no instance of a Uniform scale set: it cannot be protected from scale-in.`,
    );
  }
  log.info({ instance: instance.name, scaleSet: instance.scaleSetName, protection: mode }, "on a scale set");

  const { eventPollMs: pollMs, ...facts } = deps;
  const stopEvents = watchEvents({ ...facts, metadata, name: instance.name, ...(pollMs !== undefined && { pollMs }) });
  const driver: ProtectionDriver | undefined =
    mode === "off" || protection === undefined
      ? undefined
      : startProtection({
          mode,
          protection,
          idleGraceMs,
          lockMs,
          onGone: () => departure.leave({ reason: "the instance is being deleted", drainMs, machineGoes: true }),
          monotonicNow,
          log,
        });
  return {
    permit: driver?.permit ?? ALWAYS_PERMITTED,
    isProtected: driver?.isProtected,
    async stop() {
      await Promise.all([stopEvents(), driver?.stop()]);
    },
  };
}

async function knownInstance(metadata: Pick<MachineMetadata, "instance">, deps: ScaleSetMemberDeps): Promise<Instance> {
  const { monotonicNow, log } = deps;
  const giveUpAt = monotonicNow() + INSTANCE_WITHIN_MS;
  const { signal } = new AbortController();
  for (;;) {
    try {
      return await metadata.instance(signal);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (monotonicNow() > giveUpAt) {
        throw new SettingsError(`${SETTING.metadataUrl} does not lead to a metadata service: ${error.message}`, {
          cause: error,
        });
      }
      log.warn({ error: error.message }, "the metadata service does not say yet which instance this is; trying again");
      await sleep(INSTANCE_RETRY_MS, signal);
    }
  }
}
