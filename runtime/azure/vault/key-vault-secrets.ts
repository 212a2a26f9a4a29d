/**
 * Secrets of packages in Azure Key Vault. A secret's name is made up, so no name of a tenant or a package has to fit the rules
 * of Key Vault, no two of them can meet, and a name that a removed secret still holds (soft delete) is never wanted again.
 * Tags say whose it is.
 */
import { randomUUID } from "node:crypto";
import type { TokenCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { UnavailableError } from "../../core/errors.ts";
import type { SecretStore } from "../../core/ports/secret-store.ts";
import { statusOf } from "../translate-error.ts";

export interface KeyVaultDeps {
  readonly vaultUrl: string;
  readonly credential: TokenCredential;
  /** Default: a client of the vault. */
  readonly client?: Pick<SecretClient, "setSecret" | "getSecret" | "beginDeleteSecret">;
}

/** Letters, digits and hyphens: 1 to 127 of them. */
const PREFIX = "jobyard-";

export function createKeyVaultSecrets({ vaultUrl, credential, client }: KeyVaultDeps): SecretStore {
  const vault = client ?? new SecretClient(vaultUrl, credential);
  return {
    async add(value, labels) {
      const id = `${PREFIX}${randomUUID()}`;
      try {
        await vault.setSecret(id, value, { contentType: "text/plain", tags: labels });
        return id;
      } catch (error) {
        throw unavailable("keeping", error);
      }
    },
    async get(id) {
      try {
        return (await vault.getSecret(id)).value;
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw unavailable("reading", error);
      }
    },
    async remove(id) {
      try {
        // Not waited for: from here on the secret cannot be read. Key Vault itself deletes it for good, later.
        await vault.beginDeleteSecret(id);
      } catch (error) {
        if (statusOf(error) !== 404) throw unavailable("removing", error);
      }
    },
  };
}

/** No text of the service's, which could quote the request. */
function unavailable(doing: string, cause: unknown): UnavailableError {
  const status = statusOf(cause);
  const what = status === undefined ? "no answer" : `status ${status}`;
  return new UnavailableError("SecretsUnavailable", `Key Vault failed while ${doing} a secret: ${what}.`, { cause });
}
