import { describe, expect, it } from "vitest";
import { parseWorkerMachineSettings } from "../../../../runtime/core/settings/machine-settings.ts";
import { SettingsError, type Environment } from "../../../../runtime/core/settings/environment.ts";
import { SETTING } from "../../../../runtime/core/settings/names.ts";

const onScaleSet: Environment = { [SETTING.metadataUrl]: "http://169.254.169.254" };

describe("settings of a worker's machine", () => {
  it("all settings of a worker's machine are off by default", () => {
    expect(parseWorkerMachineSettings({})).toEqual({
      scaleSet: undefined,
      releases: undefined,
      releasePollMs: 30_000,
      releasePatienceMs: 30 * 60_000,
      healthPort: undefined,
      watchdog: undefined,
    });
  });

  it("settings on a scale set require protection by default, and have Azure's addresses", () => {
    expect(parseWorkerMachineSettings(onScaleSet).scaleSet).toEqual({
      metadataUrl: "http://169.254.169.254",
      resourceManagerUrl: "https://management.azure.com",
      identityClientId: undefined,
      protection: "required",
      idleGraceMs: 300_000,
    });
  });

  it("settings of a worker's machine name an identity, a release account, a port and systemd's watchdog", () => {
    const env = {
      ...onScaleSet,
      [SETTING.scaleInProtection]: "best-effort",
      [SETTING.idleGraceSeconds]: "60",
      [SETTING.identityClientId]: "c1",
      [SETTING.releaseAccount]: "jyrel",
      [SETTING.healthPort]: "8080",
      [SETTING.watchdogDescriptor]: "7",
      [SETTING.watchdogMicroseconds]: "60000000",
    };
    expect(parseWorkerMachineSettings(env)).toMatchObject({
      scaleSet: { protection: "best-effort", idleGraceMs: 60_000, identityClientId: "c1" },
      releases: { kind: "credential", storageAccount: "jyrel" },
      healthPort: 8080,
      watchdog: { descriptor: 7, watchdogMs: 60_000 },
    });
  });

  it.each<[Environment, RegExp]>([
    [{ [SETTING.scaleInProtection]: "required" }, /"required", which needs JOBYARD_METADATA_URL/],
    [{ ...onScaleSet, [SETTING.scaleInProtection]: "yes" }, /JOBYARD_SCALE_IN_PROTECTION must be one of required, /],
    [{ [SETTING.metadataUrl]: "169.254.169.254" }, /JOBYARD_METADATA_URL must be a web address/],
    [
      { [SETTING.metadataUrl]: "http://169.254.169.254/metadata" },
      /JOBYARD_METADATA_URL must be a web address without/,
    ],
    [{ ...onScaleSet, [SETTING.resourceManagerUrl]: "http://management.azure.com" }, /must begin with https/],
    [
      { [SETTING.releasePatienceMinutes]: "10081" },
      /JOBYARD_RELEASE_PATIENCE_MINUTES must be a whole number from 0 to 10080/,
    ],
    [
      { ...onScaleSet, [SETTING.idleGraceSeconds]: "3601" },
      /JOBYARD_IDLE_GRACE_SECONDS must be a whole number from 0 to/,
    ],
    [{ [SETTING.releasePollSeconds]: "0" }, /JOBYARD_RELEASE_POLL_SECONDS must be a whole number from 1 to 3600/],
    [{ [SETTING.healthPort]: "65536" }, /JOBYARD_HEALTH_PORT must be a whole number/],
  ])("an unusable setting of a worker's machine is refused by name: %j", (env, message) => {
    expect(() => parseWorkerMachineSettings(env)).toThrow(SettingsError);
    expect(() => parseWorkerMachineSettings(env)).toThrow(message);
  });
});
