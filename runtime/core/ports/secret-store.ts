/**
 * The values of secrets, apart from all other data: Key Vault in Azure, private files on a laptop. A value is kept under an
 * id that is made for it and never used again, so an id names one value for ever, and nothing of a name is in it.
 */
import { UnavailableError } from "../errors.ts";

export interface SecretReader {
  /** Undefined: there is none of this id (any more). Throws UnavailableError "SecretsUnavailable". */
  get(id: string): Promise<string | undefined>;
}

export interface SecretStore extends SecretReader {
  /**
   * Keeps a value; resolves to its id. `labels`: whose it is, for people who look into the store. Throws
   * UnavailableError "SecretsUnavailable"; the value may be there then, under an id that nothing names.
   */
  add(value: string, labels: Readonly<Record<string, string>>): Promise<string>;
  /** Resolves if there is none, too. Throws UnavailableError "SecretsUnavailable". */
  remove(id: string): Promise<void>;
}

const unconfigured = (): Promise<never> =>
  Promise.reject(
    new UnavailableError("SecretsUnavailable", "This system has no place for secrets: JOBYARD_KEY_VAULT is not set."),
  );

/** Where nothing is configured. Settings that are no secrets work. */
export const NO_SECRETS: SecretStore = { add: unconfigured, get: unconfigured, remove: unconfigured };
