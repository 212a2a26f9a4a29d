/** The contracts of core/ports/setting-store.ts and identity-grant-store.ts, which share a table. */
import { describe, expect, it } from "vitest";
import type { Setting } from "../../../runtime/core/ports/setting-store.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const settingOf = (fields: Partial<Setting> = {}): Setting => ({
  ...{ tenantName: freshTenant(), packageName: "mail.zip", name: "SMTP_HOST", version: 1 },
  ...{ value: "mail.example.com", secretId: undefined, setAt: new Date("2026-03-01T08:00:00.125Z"), setBy: "ada" },
  ...fields,
});

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { settings, identityGrants } = start()();
  const values = async (tenantName: string) => {
    const found: Setting[] = [];
    for await (const { value } of settings.ofTenant(tenantName)) found.push(value);
    return found;
  };

  it("a setting is read as it was written, plain or secret", async () => {
    const plain = settingOf({ value: "ü 'quoted'" });
    const secret = settingOf({ ...plain, name: "API_KEY", value: undefined, secretId: "s-1" });
    expect(await settings.put(plain, undefined)).toBe(true);
    expect(await settings.put(secret, undefined)).toBe(true);
    expect(await settings.of(plain.tenantName, plain.packageName)).toEqual([secret, plain]);
    expect((await settings.get(plain))?.value).toEqual(plain);
    expect(await settings.get({ ...plain, name: "NONE" })).toBeUndefined();
  });

  it("a setting that becomes a secret keeps nothing of its value", async () => {
    const plain = settingOf();
    await settings.put(plain, undefined);
    const stored = await settings.get(plain);
    const secret = { ...plain, version: 2, value: undefined, secretId: "s-1" };
    expect(await settings.put(secret, stored?.etag)).toBe(true);
    expect((await settings.get(plain))?.value).toEqual(secret);
  });

  it("only one of two writers changes or removes a version", async () => {
    const setting = settingOf();
    expect(await settings.put(setting, undefined)).toBe(true);
    expect(await settings.put(setting, undefined)).toBe(false);
    const etag = (await settings.get(setting))?.etag ?? "";
    expect(await settings.put({ ...setting, version: 2 }, etag)).toBe(true);
    expect(await settings.remove(setting, etag)).toBe(false);
    expect(await settings.remove(setting, (await settings.get(setting))?.etag ?? "")).toBe(true);
    expect(await settings.remove(setting, etag)).toBe(false);
    expect(await settings.of(setting.tenantName, setting.packageName)).toEqual([]);
  });

  it("packages and tenants whose names begin alike are kept apart, and from grants", async () => {
    const one = settingOf();
    const { tenantName } = one;
    const others = [
      settingOf({ ...one, packageName: "mail.zip.zip" }),
      settingOf({ ...one, tenantName: `${tenantName}x` }),
      settingOf({ ...one, tenantName: `${tenantName}-x` }),
    ];
    for (const setting of [one, ...others]) await settings.put(setting, undefined);
    const grantedAt = new Date("2026-03-01T08:00:00Z");
    const grant = { tenantName, pool: "default", audiences: ["https://vault.azure.net"], grantedAt, grantedBy: "ada" };
    await identityGrants.put(grant);
    expect(await settings.of(tenantName, "mail.zip")).toEqual([one]);
    expect(await values(tenantName)).toEqual([one, others[0]]);
    expect(await identityGrants.of(tenantName)).toEqual([grant]);
  });

  it("a grant on an identity is replaced, read by pool, and removed", async () => {
    const tenantName = freshTenant();
    const grant = {
      ...{ tenantName, pool: "gpu", audiences: ["https://vault.azure.net"] },
      ...{ grantedAt: new Date("2026-03-01T08:00:00Z"), grantedBy: "ada" },
    };
    expect(await identityGrants.get(tenantName, "gpu")).toBeUndefined();
    await identityGrants.put(grant);
    const more = { ...grant, audiences: ["https://management.azure.com", "https://vault.azure.net"] };
    await identityGrants.put(more);
    expect(await identityGrants.get(tenantName, "gpu")).toEqual(more);
    expect(await identityGrants.remove(tenantName, "gpu")).toBe(true);
    expect(await identityGrants.remove(tenantName, "gpu")).toBe(false);
    expect(await identityGrants.of(tenantName)).toEqual([]);
  });
});
