import { describe, expect, it } from "vitest";
import { authFacts } from "../../../../runtime/core/http/auth-facts.ts";
import { parseApiSettings } from "../../../../runtime/core/settings/api-settings.ts";
import { SettingsError, type Environment } from "../../../../runtime/core/settings/environment.ts";
import { retentionOf } from "../../../../runtime/core/job/retention.ts";
import { SETTING } from "../../../../runtime/core/settings/names.ts";
import { parseWorkerSettings } from "../../../../runtime/core/settings/worker-settings.ts";

const local: Environment = {
  [SETTING.storageConnectionString]: "storage",
  [SETTING.serviceBusConnectionString]: "bus",
};
const DIRECTORY = "11111111-1111-4111-8111-111111111111";
const CLIENT = "22222222-2222-4222-8222-222222222222";
const api: Environment = { ...local, [SETTING.authTenantId]: DIRECTORY, [SETTING.authClientId]: CLIENT };
const worker: Environment = { ...local, [SETTING.workerId]: "w1", [SETTING.workerDirectory]: "/tmp/w1" };

describe("settings", () => {
  it("settings have defaults for all but what only the operator can know", () => {
    expect(parseApiSettings(api)).toEqual({
      connection: { kind: "connection-string", storage: "storage", serviceBus: "bus" },
      auth: {
        kind: "entra",
        authority: "https://login.microsoftonline.com",
        tenantId: DIRECTORY,
        clientId: CLIENT,
        audiences: [],
        publicClientId: undefined,
        caFile: undefined,
        pageAuthority: undefined,
      },
      host: "127.0.0.1",
      port: 7070,
      instanceId: "api",
      pools: ["default"],
      lockMs: 60_000,
      packageAnswerMs: 1_000,
      events: "all",
      retention: retentionOf({ rowDays: 90, logDays: 30, fileDays: 90, deadLetterDays: 30 }),
      allowLoopbackWebhooks: false,
      timerRegistration: true,
      tickHorizonMs: 600_000,
      followersPerCaller: 200,
      auditDays: 90,
      traffic: { requestsPerMinute: 3_000, allowedOrigins: [], proxyHops: 0 },
      version: "local",
      logLevel: "info",
    });
    expect(parseWorkerSettings(worker)).toMatchObject({ pool: "default", slots: 1, drainMs: 300_000, lockMs: 60_000 });
  });

  it("settings in Azure name account and namespace for a managed identity", () => {
    const env = {
      [SETTING.auth]: "none",
      [SETTING.storageAccount]: "acc",
      [SETTING.serviceBusNamespace]: "ns.servicebus.windows.net",
    };
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
  ])("an unusable setting is refused by name: %j", (env, message) => {
    expect(() => parseWorkerSettings(env)).toThrow(SettingsError);
    expect(() => parseWorkerSettings(env)).toThrow(message);
  });

  describe("a debugger for jobs", () => {
    const storage = "BlobEndpoint=http://127.0.0.1:10000/local;";
    const inspect = '{"port":9229,"sources":{"greet.zip":"/work/greet"}}';
    const laptop = { ...worker, [SETTING.storageConnectionString]: storage, [SETTING.inspect]: inspect };

    it("is there for a worker of the local system, and for no other by default", () => {
      expect(parseWorkerSettings(laptop).inspect).toEqual({ port: 9229, sources: { "greet.zip": "/work/greet" } });
      expect(parseWorkerSettings(worker).inspect).toBeUndefined();
    });

    it.each<[string, Environment, RegExp]>([
      [
        "with a managed identity",
        {
          [SETTING.storageAccount]: "acc",
          [SETTING.serviceBusNamespace]: "ns.servicebus.windows.net",
          [SETTING.storageConnectionString]: undefined,
          [SETTING.serviceBusConnectionString]: undefined,
        },
        /this is none/,
      ],
      [
        "with storage of another machine",
        { [SETTING.storageConnectionString]: "BlobEndpoint=https://acc.blob.core.windows.net;" },
        /this is none/,
      ],
      ["with users for jobs", { [SETTING.jobUser]: "job-*" }, /this is none/],
      ["on a scale set", { [SETTING.metadataUrl]: "http://169.254.169.254" }, /this is none/],
      ["with several slots", { [SETTING.slots]: "2" }, /JOBYARD_SLOTS=1/],
      ["that is no JSON", { [SETTING.inspect]: "9229x" }, /JOBYARD_INSPECT is not/],
    ])("is refused for a worker %s", (_what, changes, message) => {
      expect(() => parseWorkerSettings({ ...laptop, ...changes })).toThrow(message);
      expect(() => parseWorkerSettings({ ...laptop, ...changes })).toThrow(SettingsError);
    });
  });

  it("settings name the authority that callers sign in to", () => {
    const env = {
      ...api,
      [SETTING.authAuthority]: "https://127.0.0.1:7443/",
      [SETTING.authTenantId]: DIRECTORY.toUpperCase(),
      [SETTING.authAudiences]: "api://jobs, https://jobs.example.org ,",
      [SETTING.authPublicClientId]: CLIENT,
      [SETTING.authCaFile]: "/ca.pem",
    };
    expect(parseApiSettings(env).auth).toEqual({
      kind: "entra",
      authority: "https://127.0.0.1:7443",
      tenantId: DIRECTORY,
      clientId: CLIENT,
      audiences: ["api://jobs", "https://jobs.example.org"],
      publicClientId: CLIENT,
      caFile: "/ca.pem",
    });
    expect(parseApiSettings({ ...local, [SETTING.auth]: "none" }).auth).toEqual({ kind: "none" });
  });

  it.each<[Environment, RegExp]>([
    [local, /JOBYARD_AUTH_TENANT_ID is not set/],
    [{ ...api, [SETTING.auth]: "off" }, /JOBYARD_AUTH must be entra or none, not "off"/],
    [{ ...api, [SETTING.authClientId]: "" }, /JOBYARD_AUTH_CLIENT_ID is not set/],
    [{ ...api, [SETTING.authClientId]: "jobs" }, /JOBYARD_AUTH_CLIENT_ID must be a GUID/],
    [{ ...api, [SETTING.authTenantId]: "common" }, /JOBYARD_AUTH_TENANT_ID must be a GUID/],
    [{ ...api, [SETTING.authPublicClientId]: "cli" }, /JOBYARD_AUTH_PUBLIC_CLIENT_ID must be a GUID/],
    [{ ...api, [SETTING.authAuthority]: "http://127.0.0.1:1" }, /JOBYARD_AUTH_AUTHORITY must be an https address/],
    [{ ...api, [SETTING.authAuthority]: "https://login.example/path" }, /JOBYARD_AUTH_AUTHORITY/],
    [{ ...api, [SETTING.authAuthority]: "https://user@login.example" }, /JOBYARD_AUTH_AUTHORITY/],
    [{ ...api, [SETTING.authCaFile]: "/ca.pem" }, /JOBYARD_AUTH_CA_FILE is for an authority on this machine/],
    [
      { ...api, [SETTING.authAuthority]: "https://127.0.0.1.example.org", [SETTING.authCaFile]: "/ca.pem" },
      /JOBYARD_AUTH_CA_FILE is for an authority on this machine/,
    ],
  ])("an unusable setting of authentication is refused by name: %j", (env, message) => {
    expect(() => parseApiSettings(env)).toThrow(SettingsError);
    expect(() => parseApiSettings(env)).toThrow(message);
  });
});

describe("facts of authentication", () => {
  it("facts of authentication say where tokens come from and what to ask for", () => {
    expect(authFacts(parseApiSettings(api).auth)).toEqual({
      kind: "entra",
      authority: "https://login.microsoftonline.com",
      tenantId: DIRECTORY,
      clientId: CLIENT,
      audience: `api://${CLIENT}`,
      userScope: `api://${CLIENT}/access_as_user`,
      applicationScope: `api://${CLIENT}/.default`,
    });
    expect(authFacts({ kind: "none" })).toEqual({ kind: "none" });
  });

  it.each<[Environment, RegExp]>([
    [{ [SETTING.allowedOrigins]: "https://a.example/path" }, /JOBYARD_ALLOWED_ORIGINS must be origins/],
    [{ [SETTING.allowedOrigins]: "*" }, /JOBYARD_ALLOWED_ORIGINS must be origins/],
    [{ [SETTING.requestsPerMinute]: "0" }, /JOBYARD_REQUESTS_PER_MINUTE must be a whole number from 1 to 1000000/],
    [{ [SETTING.proxyHops]: "11" }, /JOBYARD_PROXY_HOPS must be a whole number from 0 to 10/],
    [{ [SETTING.tickHorizonSeconds]: "29" }, /JOBYARD_TICK_HORIZON_SECONDS must be a whole number from 30 to 1800/],
    [{ [SETTING.timerRegistration]: "yes" }, /JOBYARD_TIMER_REGISTRATION must be on or off, not "yes"/],
  ])("an unusable setting of the API is refused by name: %j", (env, message) => {
    expect(() => parseApiSettings({ ...api, ...env })).toThrow(message);
  });

  it("allowed origins are accepted as browsers send them", () => {
    const env = {
      ...api,
      [SETTING.allowedOrigins]: "https://a.example, http://localhost:5173",
    };
    expect(parseApiSettings(env).traffic.allowedOrigins).toEqual(["https://a.example", "http://localhost:5173"]);
  });

  it("webhooks may reach this machine only when the API listens on loopback", () => {
    const allow = { ...api, [SETTING.webhookLoopback]: "allow" };
    expect(parseApiSettings(allow).allowLoopbackWebhooks).toBe(true);
    expect(parseApiSettings({ ...allow, [SETTING.webhookLoopback]: "refuse" }).allowLoopbackWebhooks).toBe(false);
    expect(() => parseApiSettings({ ...allow, [SETTING.apiHost]: "0.0.0.0" })).toThrow(
      "JOBYARD_WEBHOOK_LOOPBACK is for an API on this machine, and JOBYARD_API_HOST is 0.0.0.0.",
    );
    expect(() => parseApiSettings({ ...allow, [SETTING.webhookLoopback]: "yes" })).toThrow(
      'JOBYARD_WEBHOOK_LOOPBACK must be allow or refuse, not "yes".',
    );
  });
});
