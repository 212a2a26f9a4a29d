/** What tenants have given to the jobs of their packages: values of settings, and where the values of secrets are kept. */
import type { Stored } from "./stored.ts";

export interface SettingKey {
  readonly tenantName: string;
  readonly packageName: string;
  /** Such as `SMTP_HOST`. */
  readonly name: string;
}

export interface Setting extends SettingKey {
  /** Grows with each write, from 1. Begins anew when the setting was removed. */
  readonly version: number;
  /** Undefined for a secret. */
  readonly value: string | undefined;
  /** Names the value of a secret in the SecretStore. Another one with each version. */
  readonly secretId: string | undefined;
  readonly setAt: Date;
  readonly setBy: string;
}

/** What a worker needs. */
export interface SettingReader {
  /** All of a tenant's for one package, by name. There are at most SETTINGS_MAX_COUNT. */
  of(tenantName: string, packageName: string): Promise<readonly Setting[]>;
}

export interface SettingStore extends SettingReader {
  get(key: SettingKey): Promise<Stored<Setting> | undefined>;
  /** Writes over the given version; `etag` undefined: if there is none. False: another writer was faster, or the outcome is unknown. */
  put(setting: Setting, etag: string | undefined): Promise<boolean>;
  /** Removes the given version. False: another writer changed or removed it. */
  remove(key: SettingKey, etag: string): Promise<boolean>;
  /** All of a tenant's, for every package. */
  ofTenant(tenantName: string): AsyncIterable<Stored<Setting>>;
}
