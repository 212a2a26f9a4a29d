import { describe, expect, it } from "vitest";
import {
  parseApiSettings,
  parseWorkerSettings,
  SETTING,
  SettingsError,
  type Environment,
} from "../../../runtime/core/settings.ts";

const local: Environment = {
  [SETTING.storageConnectionString]: "storage",
  [SETTING.serviceBusConnectionString]: "bus",
};
const worker: Environment = { ...local, [SETTING.workerId]: "w1", [SETTING.workerDirectory]: "/tmp/w1" };

describe("settings", () => {
  it("have defaults for all but what only the operator can know", () => {
    expect(parseApiSettings(local)).toEqual({
      connection: { kind: "connection-string", storage: "storage", serviceBus: "bus" },
      host: "127.0.0.1",
      port: 7070,
      instanceId: "api",
      pools: ["default"],
      lockMs: 60_000,
      logLevel: "info",
    });
    expect(parseWorkerSettings(worker)).toMatchObject({ pool: "default", slots: 1, drainMs: 300_000, lockMs: 60_000 });
  });

  it("name account and namespace in Azure, where a managed identity opens them", () => {
    const env = { [SETTING.storageAccount]: "acc", [SETTING.serviceBusNamespace]: "ns.servicebus.windows.net" };
    expect(parseApiSettings(env).connection).toEqual({
      kind: "credential",
      storageAccount: "acc",
      serviceBusNamespace: "ns.servicebus.windows.net",
    });
  });

  it.each<[Environment, RegExp]>([
    [{}, /JOBYARD_STORAGE_ACCOUNT is not set/],
    [{ [SETTING.storageConnectionString]: "x" }, /Give both JOBYARD_STORAGE_CONNECTION_STRING and/],
    [{ ...worker, [SETTING.workerId]: "" }, /JOBYARD_WORKER_ID is not set/],
    [{ ...worker, [SETTING.slots]: "0" }, /JOBYARD_SLOTS must be a whole number from 1 to 1000, not "0"/],
    [{ ...worker, [SETTING.slots]: "2.5" }, /JOBYARD_SLOTS/],
    [{ ...worker, [SETTING.lockSeconds]: "301" }, /JOBYARD_LOCK_SECONDS must be a whole number from 1 to 300/],
    [{ ...worker, [SETTING.pool]: "GPU!" }, /JOBYARD_POOL must be lower-case/],
    [{ ...worker, [SETTING.logLevel]: "loud" }, /JOBYARD_LOG_LEVEL must be one of/],
  ])("that cannot be used are refused by name: %j", (env, message) => {
    expect(() => parseWorkerSettings(env)).toThrow(SettingsError);
    expect(() => parseWorkerSettings(env)).toThrow(message);
  });

  it.each<[Environment, RegExp]>([
    [{ [SETTING.allowedOrigins]: "https://a.example/path" }, /JOBYARD_ALLOWED_ORIGINS must be origins/],
    [{ [SETTING.allowedOrigins]: "*" }, /JOBYARD_ALLOWED_ORIGINS must be origins/],
    [{ [SETTING.requestsPerMinute]: "0" }, /JOBYARD_REQUESTS_PER_MINUTE must be a whole number from 1 to 1000000/],
    [{ [SETTING.proxyHops]: "11" }, /JOBYARD_PROXY_HOPS must be a whole number from 0 to 10/],
  ])("of the API's traffic that cannot be used are refused by name: %j", (env, message) => {
    expect(() => parseApiSettings({ ...worker, [SETTING.auth]: "none", ...env })).toThrow(message);
  });

  it("take origins as browsers send them", () => {
    const env = {
      ...worker,
      [SETTING.auth]: "none",
      [SETTING.allowedOrigins]: "https://a.example, http://localhost:5173",
    };
    expect(parseApiSettings(env).traffic.allowedOrigins).toEqual(["https://a.example", "http://localhost:5173"]);
  });
});
