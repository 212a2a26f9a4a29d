/** For each operation on settings and identities the requests for the statuses that depend on what it does, by status. */
import { SETTINGS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { freshTenant } from "../stores/test-storage.ts";
import type { TestApi } from "./test-api.ts";
import { type WireRequest, del, get, put as putText } from "./wire.ts";

type Driver = () => WireRequest | Promise<WireRequest>;

const put = (path: string, body: object): WireRequest => putText(path, JSON.stringify(body));

const GRANT = { audiences: ["https://vault.azure.net"] };
const settingsOf = (tenantName: string): string => `/v1/tenants/${tenantName}/packages/mail.zip/settings`;

/** Callers must not be allowed the tenant `foreign`. */
export function settingDrivers(api: TestApi): Readonly<Record<string, Readonly<Record<number, Driver>>>> {
  async function known(): Promise<string> {
    const settings = settingsOf(freshTenant());
    await api.put(`${settings}/API_KEY`, { value: "geheim", secret: true });
    await api.put(`${settings}/SMTP_HOST`, { value: "localhost" });
    return settings;
  }

  async function granted(): Promise<string> {
    const tenant = `/v1/tenants/${freshTenant()}`;
    await api.put(tenant);
    await api.put(`${tenant}/identities/default`, GRANT);
    return `${tenant}/identities`;
  }

  return {
    listSettings: {
      200: async () => get(await known()),
    },
    putSetting: {
      200: async () => put(`${await known()}/API_KEY`, { value: "geheimer", secret: true }),
      404: () => put(`${settingsOf("foreign")}/API_KEY`, { value: "geheim" }),
      409: async () => {
        const settings = settingsOf(freshTenant());
        for (let i = 0; i < SETTINGS_MAX_COUNT; i++) await api.put(`${settings}/S${i}`, { value: "x" });
        return put(`${settings}/ONE_MORE`, { value: "x" });
      },
    },
    deleteSetting: {
      204: async () => del(`${await known()}/API_KEY`),
      404: async () => del(`${await known()}/NONE`),
    },
    listIdentityGrants: {
      200: async () => get(await granted()),
    },
    putIdentityGrant: {
      200: async () => put(`${await granted()}/default`, GRANT),
      404: () => put(`/v1/tenants/${freshTenant()}/identities/default`, GRANT),
    },
    deleteIdentityGrant: {
      204: async () => del(`${await granted()}/default`),
      404: async () => del(`${await granted()}/other`),
    },
  };
}
