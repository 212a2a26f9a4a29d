import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { SettingView } from "../../../runtime/client/index.ts";
import { SETTING_VALUE_MAX_BYTES, SETTINGS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import type { MemorySecrets } from "../../support/stores/memory-settings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { testPackage } from "../../support/packages/test-package.ts";

const said: string[] = [];
const say = (fields: unknown, message: string): void => void said.push(`${message} ${JSON.stringify(fields)}`);
const log = { info: say, warn: say, error: say, child: () => log };
let time = 0;
// Each submit reads anew what it knows of a package.
const api = await startTestApi(letterQueue().queue, { log, monotonicNow: () => (time += 60_000) });
afterAll(() => api[Symbol.asyncDispose]());
// There is no emulator of Key Vault, so it is this one over Azurite too.
const secretValues = (): readonly string[] => [...(api.stores.secrets as MemorySecrets).values.values()];

const SECRET = "hunter2-Aa0!";
let tenantName: string;
let packages: string;
let settings: string;
beforeEach(() => {
  said.length = 0;
  tenantName = freshTenant();
  packages = `/v1/tenants/${tenantName}/packages`;
  settings = `${packages}/mail.zip/settings`;
});

const publish = (name = "mail.zip", manifest: object = MAIL) =>
  api.put(`${packages}/${name}`, testPackage({ jobs: { Mail: "return {};" }, manifest }));
const MAIL = {
  settings: [
    { name: "SMTP_HOST", description: "Where mail goes." },
    { name: "SMTP_PORT", default: "25" },
    { name: "API_KEY", secret: true },
  ],
};
const submit = () =>
  api.post("/v1/jobs", { tenantName, jobType: "Mail", jobName: "mail", jobProcessorPackageName: "mail.zip" });
const list = async (): Promise<readonly SettingView[]> =>
  ((await api.get(settings)).body as unknown as { items: readonly SettingView[] }).items;

describe("a secret", () => {
  it("is in no answer and no line of a log, neither when it is set nor later", async () => {
    await publish();
    const answers = [
      await api.put(`${settings}/API_KEY`, { value: SECRET }),
      await api.put(`${settings}/API_KEY`, { value: SECRET, secret: false }),
      await api.get(settings),
      await api.get(`${packages}/mail.zip`),
      await publish(),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain(SECRET);
    }
    expect(said.join("\n")).not.toContain(SECRET);
    const row = (await api.stores.settings.get({ tenantName, packageName: "mail.zip", name: "API_KEY" }))?.value;
    expect(row).toMatchObject({ value: undefined, version: 2 });
    expect(await api.stores.secrets.get(row?.secretId ?? "")).toBe(SECRET);
  });

  it("leaves no older value behind when it is replaced or removed", async () => {
    for (const value of ["first value", "second value"]) await api.put(`${settings}/API_KEY`, { value, secret: true });
    expect(secretValues()).not.toContain("first value");
    expect(secretValues()).toContain("second value");
    expect((await api.delete(`${settings}/API_KEY`)).status).toBe(204);
    expect(secretValues()).not.toContain("second value");
    expect(await list()).toEqual([]);
  });

  it("stays one when it is set again before its package is published, unless the request says otherwise", async () => {
    await api.put(`${settings}/API_KEY`, { value: "first value", secret: true });
    expect((await api.put(`${settings}/API_KEY`, { value: SECRET })).body).toMatchObject({ secret: true });
    expect(JSON.stringify(await list())).not.toContain(SECRET);
    await api.put(`${settings}/API_KEY`, { value: "no secret", secret: false });
    expect((await list())[0]).toMatchObject({ secret: false, value: "no secret" });
  });

  it("is not shown when a later version of the package declares a plain setting as a secret", async () => {
    await api.put(`${settings}/API_KEY`, { value: SECRET });
    expect((await list())[0]).toMatchObject({ secret: false, value: SECRET, declared: false });
    await publish();
    expect(JSON.stringify(await list())).not.toContain(SECRET);
  });
});

describe("a setting", () => {
  it("is listed with what the package declares, by name", async () => {
    await publish();
    await api.put(`${settings}/SMTP_HOST`, { value: "mail.example.com" });
    await api.put(`${settings}/OTHER`, { value: "x" });
    expect(await list()).toMatchObject([
      { settingName: "API_KEY", secret: true, declared: true, required: true, isSet: false },
      { settingName: "OTHER", declared: false, required: false, isSet: true, value: "x" },
      { settingName: "SMTP_HOST", required: true, isSet: true, value: "mail.example.com", version: 1, setBy: "local" },
      { settingName: "SMTP_PORT", required: false, isSet: false },
    ]);
  });

  it("gets a version with each write, and each change is a line of the log", async () => {
    await api.put(`${settings}/SMTP_HOST`, { value: "one" });
    const second = await api.put(`${settings}/SMTP_HOST`, { value: "two" });
    expect(second.body).toMatchObject({ version: 2, value: "two" });
    await api.delete(`${settings}/SMTP_HOST`);
    const fields = { tenantName, packageName: "mail.zip", setting: "SMTP_HOST" };
    expect(said.filter((line) => line.startsWith("setting "))).toEqual([
      `setting set ${JSON.stringify({ ...fields, version: 1, secret: false, by: "local" })}`,
      `setting set ${JSON.stringify({ ...fields, version: 2, secret: false, by: "local" })}`,
      `setting removed ${JSON.stringify({ ...fields, version: 2, secret: false, by: "local" })}`,
    ]);
  });

  it("is written once by each of many requests at a time", async () => {
    const writes = Array.from({ length: 5 }, (_, i) =>
      api.put(`${settings}/API_KEY`, { value: `value ${i}`, secret: true }),
    );
    const versions = (await Promise.all(writes)).map(({ body }) => (body as unknown as SettingView).version);
    expect(versions.toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(secretValues().filter((value) => /^value \d$/.test(value))).toHaveLength(1);
  });

  it.each([
    ["an empty value", "SMTP_HOST", { value: "" }],
    ["a value that is too long", "SMTP_HOST", { value: "ü".repeat(SETTING_VALUE_MAX_BYTES / 2 + 1) }],
    ["a value with NUL", "SMTP_HOST", { value: "a\u0000b" }],
    ["a name in small letters", "smtp_host", { value: "x" }],
    ["a name that leads elsewhere", "A%2FB", { value: "x" }],
    ["an unknown field", "SMTP_HOST", { value: "x", version: 7 }],
  ])("refuses %s", async (_, name, body) => {
    const answer = await api.put(`${settings}/${name}`, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "InvalidRequest" } } });
    expect(await list()).toEqual([]);
  });

  it("is refused beyond their number, and can still be changed", async () => {
    for (let i = 0; i < SETTINGS_MAX_COUNT; i++) await api.put(`${settings}/S${i}`, { value: "x" });
    expect(await api.put(`${settings}/ONE_MORE`, { value: "x" })).toMatchObject({
      status: 409,
      body: { error: { code: "TooManySettings" } },
    });
    expect((await api.put(`${settings}/S7`, { value: "y" })).status).toBe(200);
  });

  it("is gone with its tenant", async () => {
    await api.put(`/v1/tenants/${tenantName}`);
    await api.put(`${settings}/API_KEY`, { value: "of a tenant that goes", secret: true });
    await api.put(`/v1/tenants/${tenantName}/identities/default`, { audiences: ["https://vault.azure.net"] });
    expect((await api.delete(`/v1/tenants/${tenantName}`)).status).toBe(204);
    expect(await list()).toEqual([]);
    expect(secretValues()).not.toContain("of a tenant that goes");
    expect((await api.get(`/v1/tenants/${tenantName}/identities`)).body).toEqual({ items: [] });
  });
});

describe("a missing setting", () => {
  it("is named when the package is published, and refuses its jobs until it is set", async () => {
    const published = await publish();
    expect(published.status).toBe(200);
    expect(JSON.stringify(published.body)).toContain("needs SMTP_HOST, API_KEY, which the tenant");
    const refused = await submit();
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "SettingMissing" } } });
    expect(refused.body.error.message).toContain("SMTP_HOST, API_KEY");
    await api.put(`${settings}/SMTP_HOST`, { value: "localhost" });
    expect((await submit()).body.error.message).toContain("needs API_KEY, which");
    await api.put(`${settings}/API_KEY`, { value: SECRET });
    expect((await submit()).status).toBe(201);
    expect(JSON.stringify((await publish()).body)).not.toContain("which the tenant");
    await api.delete(`${settings}/API_KEY`);
    expect((await submit()).status).toBe(409);
  });

  it("refuses only the one job of a bulk submit", async () => {
    await publish();
    await publish("free.zip", {});
    const job = { tenantName, jobType: "Mail", jobName: "mail" };
    const answer = await api.post("/v1/jobs/bulk", {
      jobs: [
        { ...job, jobProcessorPackageName: "mail.zip" },
        { ...job, jobProcessorPackageName: "free.zip" },
      ],
    });
    expect(answer.body.results.map(({ error }) => error?.code)).toEqual(["SettingMissing", undefined]);
  });

  it("of another tenant is no reason, and one tenant's values are no other's", async () => {
    await publish();
    for (const name of ["SMTP_HOST", "API_KEY"]) {
      await api.put(`/v1/tenants/${freshTenant()}/packages/mail.zip/settings/${name}`, { value: "theirs" });
    }
    expect((await submit()).status).toBe(409);
    expect(JSON.stringify(await list())).not.toContain("theirs");
  });
});
