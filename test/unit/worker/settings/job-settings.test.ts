import { beforeEach, describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import { SECRET_KEPT_FOR_MS, SETTINGS_ANSWER_FOR_MS } from "../../../../runtime/core/limits.ts";
import type { Setting } from "../../../../runtime/core/ports/setting-store.ts";
import { createJobSettings, type JobSettings } from "../../../../runtime/worker/settings/job-settings.ts";
import { createMemorySecrets, createMemorySettings } from "../../../support/stores/memory-settings.ts";

const OWNER = { tenantName: "acme", packageName: "mail.zip" };
const DECLARED = [
  { name: "API_KEY", secret: true },
  { name: "PORT", default: "25" },
  { name: "REGION", optional: true },
];

let time = 0;
let reads = 0;
let fetches = 0;
let store: ReturnType<typeof createMemorySettings>;
let secrets: ReturnType<typeof createMemorySecrets>;
let settings: JobSettings;
beforeEach(() => {
  [time, reads, fetches] = [0, 0, 0];
  store = createMemorySettings();
  secrets = createMemorySecrets();
  settings = createJobSettings({
    settings: { of: (...owner) => (reads++, store.of(...owner)) },
    secrets: { get: (id) => (fetches++, secrets.get(id)) },
    monotonicNow: () => time,
  });
});

async function give(name: string, value: string, secret = false): Promise<void> {
  const key = { ...OWNER, name };
  const before = await store.get(key);
  const secretId = secret ? await secrets.add(value, {}) : undefined;
  const setting: Setting = {
    ...{ ...key, version: (before?.value.version ?? 0) + 1, value: secret ? undefined : value, secretId },
    ...{ setAt: new Date(0), setBy: "test" },
  };
  await store.put(setting, before?.etag);
  if (before?.value.secretId !== undefined) await secrets.remove(before.value.secretId);
}

describe("settings of a job", () => {
  it("are what the tenant has given, or defaults, of what the package declares", async () => {
    await give("API_KEY", "hunter22", true);
    await give("UNRELATED", "x");
    expect(await settings.of(OWNER, DECLARED)).toEqual({
      values: { API_KEY: "hunter22", PORT: "25" },
      secrets: ["hunter22"],
      versions: { API_KEY: 1 },
    });
    await expect(settings.of({ ...OWNER, tenantName: "other" }, DECLARED)).rejects.toMatchObject({
      code: "SettingMissing",
      retryable: false,
    });
  });

  it("are secret when either the package or the tenant says so", async () => {
    await give("API_KEY", "given in the open");
    await give("REGION", "kept as a secret", true);
    const given = await settings.of(OWNER, DECLARED);
    expect(given.secrets).toEqual(["given in the open", "kept as a secret"]);
  });

  it("are refused by name when required ones are missing", async () => {
    const declared = [{ name: "A" }, ...DECLARED, { name: "B", secret: true }];
    await give("B", "hunter22", true);
    await expect(settings.of(OWNER, declared)).rejects.toThrow(
      "Package mail.zip needs A, API_KEY, which the tenant acme",
    );
  });

  it("are read once for attempts that begin within a short time, and secrets for longer", async () => {
    await give("API_KEY", "hunter22", true);
    await Promise.all([settings.of(OWNER, DECLARED), settings.of(OWNER, DECLARED)]);
    expect([reads, fetches]).toEqual([1, 1]);
    time += SETTINGS_ANSWER_FOR_MS;
    await settings.of(OWNER, DECLARED);
    expect([reads, fetches]).toEqual([2, 1]);
    time += SECRET_KEPT_FOR_MS;
    await settings.of(OWNER, DECLARED);
    expect([reads, fetches]).toEqual([3, 2]);
  });

  it("are the new value of a secret that was replaced since its row was read", async () => {
    await give("API_KEY", "first", true);
    await settings.of(OWNER, DECLARED);
    await give("API_KEY", "second", true);
    time += SECRET_KEPT_FOR_MS - 1;
    const fresh = createJobSettings({ settings: store, secrets, monotonicNow: () => time });
    await fresh.of(OWNER, DECLARED);
    await give("API_KEY", "third", true);
    expect((await fresh.of(OWNER, [{ name: "PORT", default: "1" }])).values).toEqual({ PORT: "1" });
    expect((await settings.of(OWNER, DECLARED)).values["API_KEY"]).toBe("third");
  });

  it("are read again after a failure, which is not kept", async () => {
    await give("API_KEY", "hunter22", true);
    const broken = new UnavailableError("SecretsUnavailable", "Key Vault does not answer.");
    let fails = true;
    const flaky = createJobSettings({
      settings: store,
      secrets: { get: (id) => (fails ? Promise.reject(broken) : secrets.get(id)) },
      monotonicNow: () => time,
    });
    await expect(flaky.of(OWNER, DECLARED)).rejects.toBe(broken);
    fails = false;
    expect((await flaky.of(OWNER, DECLARED)).values["API_KEY"]).toBe("hunter22");
  });

  it("are missing when the value of a secret is not kept any more", async () => {
    await give("API_KEY", "hunter22", true);
    for (const id of secrets.values.keys()) await secrets.remove(id);
    await expect(settings.of(OWNER, DECLARED)).rejects.toMatchObject({ code: "SettingMissing" });
    expect(reads).toBe(2);
  });
});
