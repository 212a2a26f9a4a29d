/**
 * What a tenant has given to a package, for one attempt: read from the table, with the values of secrets from where those are
 * kept. Rows are used for SETTINGS_ANSWER_FOR_MS. A secret's id names one value for ever, so its value is kept longer, and a
 * new version is another id.
 */
import { ConflictError } from "../../core/errors.ts";
import { SECRET_KEPT_FOR_MS, SETTINGS_ANSWER_FOR_MS, SETTINGS_KEPT_MAX_COUNT } from "../../core/limits.ts";
import {
  type ManifestSetting,
  declaredSetting,
  missingSettings,
  missingText,
} from "../../core/package/manifest-settings.ts";
import type { SecretReader } from "../../core/ports/secret-store.ts";
import type { Setting, SettingReader } from "../../core/ports/setting-store.ts";
import type { Clock } from "../../core/clock.ts";
import { createBriefMemory } from "./brief-memory.ts";

export interface GivenSettings {
  /** With defaults. Only what the package declares. */
  readonly values: Readonly<Record<string, string>>;
  /** The values that nobody may read in a log. */
  readonly secrets: readonly string[];
  /** For the log: which version of each the attempt has got. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface JobSettings {
  /**
   * Throws ConflictError "SettingMissing" when a required one is not given, UnavailableError when table or secrets cannot
   * be read.
   */
  of(owner: PackageOwner, declared: readonly ManifestSetting[]): Promise<GivenSettings>;
}

export interface PackageOwner {
  readonly tenantName: string;
  readonly packageName: string;
}

export interface JobSettingsDeps {
  readonly settings: SettingReader;
  readonly secrets: SecretReader;
  readonly monotonicNow: Clock["monotonicNow"];
}

export function createJobSettings({ settings, secrets, monotonicNow }: JobSettingsDeps): JobSettings {
  const bounds = { maxCount: SETTINGS_KEPT_MAX_COUNT, monotonicNow };
  const rows = createBriefMemory<readonly Setting[]>({ ...bounds, keptForMs: SETTINGS_ANSWER_FOR_MS });
  const values = createBriefMemory<string | undefined>({ ...bounds, keptForMs: SECRET_KEPT_FOR_MS });

  async function read({ tenantName, packageName }: PackageOwner, declared: readonly ManifestSetting[]) {
    const key = `${tenantName}/${packageName}`;
    const given = await rows.get(key, () => settings.of(tenantName, packageName));
    const wanted = given.filter(({ name }) => declared.some((one) => one.name === name));
    const found = await Promise.all(wanted.map(async (one) => ({ ...one, value: await valueOf(one) })));
    return { found, forget: () => rows.forget(key) };
  }

  const valueOf = async ({ value, secretId }: Setting): Promise<string | undefined> =>
    secretId === undefined ? value : values.get(secretId, () => secrets.get(secretId));

  return {
    async of(owner, declared) {
      let { found, forget } = await read(owner, declared);
      if (found.some(({ value }) => value === undefined)) {
        // Set anew since the row was read: the value before it is gone.
        forget();
        ({ found, forget } = await read(owner, declared));
      }
      return resolve(owner, declared, found);
    },
  };
}

function resolve(
  { tenantName, packageName }: PackageOwner,
  declared: readonly ManifestSetting[],
  found: readonly Setting[],
): GivenSettings {
  const given = new Map(found.flatMap((one) => (one.value === undefined ? [] : ([[one.name, one]] as const))));
  const missing = missingSettings(declared.map(declaredSetting), new Set(given.keys()));
  if (missing.length > 0) throw new ConflictError("SettingMissing", missingText(tenantName, packageName, missing));
  const values: Record<string, string> = {};
  const versions: Record<string, number> = {};
  const secrets: string[] = [];
  for (const { name, secret, default: fallback } of declared) {
    const one = given.get(name);
    const value = one?.value ?? fallback;
    if (value === undefined) continue;
    values[name] = value;
    if (one !== undefined) versions[name] = one.version;
    if (secret === true || one?.secretId !== undefined) secrets.push(value);
  }
  return { values, secrets, versions };
}
