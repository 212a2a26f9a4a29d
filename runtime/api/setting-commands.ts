/**
 * Sets and removes settings of packages. A secret's value is kept first, then its row is written, then the value before it
 * is removed: a row never names a value that is not there, but for a tenant that is going. A crash or an outage in between leaves a value that nothing names.
 * Each change is one line of the log: who, what and which version, never the value.
 */
import { ConflictError, NotFoundError, UnavailableError, messageOf } from "../core/errors.ts";
import { SETTINGS_MAX_COUNT } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { SecretStore } from "../core/ports/secret-store.ts";
import type { Setting, SettingKey, SettingStore } from "../core/ports/setting-store.ts";
import type { Clock } from "../core/clock.ts";

export interface SettingCommandDeps {
  readonly settings: SettingStore;
  readonly secrets: SecretStore;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface SetRequest extends SettingKey {
  readonly value: string;
  /** Undefined: as it is now; a new one is none. */
  readonly secret: boolean | undefined;
  readonly setBy: string;
}

export interface SettingCommands {
  /** Throws ConflictError "TooManySettings", UnavailableError. */
  set(request: SetRequest): Promise<Setting>;
  /** Resolves to what was removed. Throws NotFoundError "SettingNotFound", UnavailableError. */
  unset(key: SettingKey, by: string): Promise<Setting>;
  /**
   * Of a tenant that is deleted or erased: a later one of the same name must not get them. Resolves to their number. Throws
   * UnavailableError.
   */
  removeTenant(tenantName: string, by: string): Promise<number>;
}

/** Each conflict is another write or removal of the same setting. */
const CHANGE_TRIES = 10;

export function createSettingCommands({ settings, secrets, now, log }: SettingCommandDeps): SettingCommands {
  async function set({ value, secret, setBy, ...key }: SetRequest): Promise<Setting> {
    await assertRoom(key);
    const { tenantName: tenant, packageName, name } = key;
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const before = await settings.get(key);
      const isSecret = secret ?? before?.value.secretId !== undefined;
      const secretId = isSecret ? await secrets.add(value, { tenant, package: packageName, setting: name }) : undefined;
      const kept = { value: isSecret ? undefined : value, secretId };
      const setting = { ...key, ...kept, setBy, version: (before?.value.version ?? 0) + 1, setAt: now() };
      if (!(await settings.put(setting, before?.etag))) {
        // The answer to the write may have been lost.
        const current = secretId === undefined ? undefined : await settings.get(key);
        if (current === undefined || current.value.secretId !== secretId) {
          // Another write may have replaced the row and removed this value meanwhile: the next try keeps a new one.
          await forget(secretId);
          continue;
        }
      }
      noteChange("setting set", setting, setBy);
      await forget(before?.value.secretId);
      return setting;
    }
    throw changedByOthers();
  }

  async function assertRoom(key: SettingKey): Promise<void> {
    // Two requests at the same moment may exceed the limit by one. It exists against large numbers.
    const given = await settings.of(key.tenantName, key.packageName);
    if (given.length < SETTINGS_MAX_COUNT || given.some(({ name }) => name === key.name)) return;
    throw new ConflictError("TooManySettings", `A package has at most ${SETTINGS_MAX_COUNT} settings.`);
  }

  async function unset(key: SettingKey, by: string): Promise<Setting> {
    for (let tries = 0; tries < CHANGE_TRIES; tries++) {
      const stored = await settings.get(key);
      if (stored === undefined) throw noSuchSetting(key.name);
      if (!(await settings.remove(key, stored.etag))) continue;
      noteChange("setting removed", stored.value, by);
      await forget(stored.value.secretId);
      return stored.value;
    }
    throw changedByOthers();
  }

  /** The change itself is done, so it must not fail here. */
  async function forget(secretId: string | undefined): Promise<void> {
    if (secretId === undefined) return;
    await secrets.remove(secretId).catch((error: unknown) => {
      log.warn(
        { secretId, error: messageOf(error) },
        "the value of a secret that is not used any more could not be removed",
      );
    });
  }

  function noteChange(what: string, { tenantName, packageName, name, version, secretId }: Setting, by: string): void {
    log.info({ tenantName, packageName, setting: name, version, secret: secretId !== undefined, by }, what);
  }

  return {
    set,
    unset,
    async removeTenant(tenantName, by) {
      let removedCount = 0;
      for (let tries = 0; tries < CHANGE_TRIES; tries++) {
        let changedCount = 0;
        for await (const { value, etag } of settings.ofTenant(tenantName)) {
          // The value first: no secret of the tenant may be left where nothing names it.
          if (value.secretId !== undefined) await secrets.remove(value.secretId);
          if (!(await settings.remove(value, etag))) {
            changedCount++;
            continue;
          }
          noteChange("setting removed", value, by);
          removedCount++;
        }
        if (changedCount === 0) return removedCount;
      }
      throw changedByOthers();
    },
  };
}

export const noSuchSetting = (name: string): NotFoundError =>
  new NotFoundError("SettingNotFound", `There is no setting ${name}.`);

const changedByOthers = (): UnavailableError =>
  new UnavailableError("StorageUnavailable", "The setting changed during every attempt to write it. Retry later.");
