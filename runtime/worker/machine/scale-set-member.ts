/** A worker on an instance of a scale set: who this machine is, its protection from scale-in, the events that concern it. */
import type { ScaleSetSettings } from "../../core/settings/machine-settings.ts";
import { SettingsError } from "../../core/settings/environment.ts";
import { SETTING } from "../../core/settings/names.ts";
import type { Logger } from "../../core/logger.ts";
import { sleep } from "../../core/sleep.ts";
import { ALWAYS_PERMITTED, type WorkPermit } from "../attempt/attempt.ts";
import type { Departure } from "./departure.ts";
import { watchEvents } from "./event-watch.ts";
import { createMetadataService, type Instance, type MetadataService } from "../../azure/machine/metadata-service.ts";
import { startProtection, type ProtectionDriver } from "./protection-driver.ts";
import { createInstanceProtection, isUniformInstance } from "../../azure/machine/resource-manager.ts";
import { PlatformError } from "../../azure/machine/platform-request.ts";

export interface ScaleSetMemberDeps {
  readonly settings: ScaleSetSettings;
  readonly departure: Departure;
  readonly runningCount: () => number;
  /** Lock duration of the pool's queues. */
  readonly lockMs: number;
  /** What running jobs get when the instance turns out to be deleted without notice. */
  readonly drainMs: number;
  readonly now: () => number;
  readonly monotonicNow: () => number;
  readonly log: Logger;
  /** For tests: between two looks at scheduled events. */
  readonly eventPollMs?: number;
}

export interface ScaleSetMember {
  readonly permit: WorkPermit;
  stop(): Promise<void>;
}

/** The metadata service of a machine that has just booted may take a while; beyond, something else is wrong. */
const INSTANCE_WITHIN_MS = 5 * 60_000;
const INSTANCE_RETRY_MS = 5_000;

/** Begins to watch and to ask for protection. Throws when it cannot learn which instance this is. */
export async function joinScaleSet(deps: ScaleSetMemberDeps): Promise<ScaleSetMember> {
  const { settings, departure, lockMs, drainMs, monotonicNow, log } = deps;
  const { protection: mode, resourceManagerUrl, identityClientId, idleGraceMs } = settings;
  const metadata = createMetadataService({ url: settings.metadataUrl, identityClientId, monotonicNow });
  const instance = await knownInstance(metadata, deps);
  if (mode !== "off" && !isUniformInstance(instance)) {
    throw new SettingsError(
      `This machine, ${instance.name}, is no instance of a Uniform scale set: it cannot be protected from scale-in.`,
    );
  }
  log.info({ instance: instance.name, scaleSet: instance.scaleSetName, protection: mode }, "on a scale set");

  const { eventPollMs: pollMs, ...facts } = deps;
  const stopEvents = watchEvents({ ...facts, metadata, name: instance.name, ...(pollMs !== undefined && { pollMs }) });
  const driver: ProtectionDriver | undefined =
    mode === "off"
      ? undefined
      : startProtection({
          mode,
          protection: createInstanceProtection({ metadata, instance, resourceManagerUrl, monotonicNow, log }),
          idleGraceMs,
          lockMs,
          onGone: () => departure.leave({ reason: "the instance is being deleted", drainMs, machineGoes: true }),
          monotonicNow,
          log,
        });
  return {
    permit: driver?.permit ?? ALWAYS_PERMITTED,
    async stop() {
      await Promise.all([stopEvents(), driver?.stop()]);
    },
  };
}

async function knownInstance(metadata: Pick<MetadataService, "instance">, deps: ScaleSetMemberDeps): Promise<Instance> {
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
      log.warn({ error: error.message }, "this machine cannot be told who it is yet; trying again");
      await sleep(INSTANCE_RETRY_MS, signal);
    }
  }
}
