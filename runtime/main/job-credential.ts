/** Chooses whose tokens jobs get: a managed identity of this machine, the developer's sign-in, nobody's, or none at all. */
import type { JobCredential } from "../core/ports/job-credential.ts";
import type { JobIdentity } from "../core/settings/worker-settings.ts";

/** As long as most tokens of Entra ID. */
const FAKE_LIFE_MS = 60 * 60_000;

export function jobCredential(identity: JobIdentity, now: () => Date): JobCredential | undefined {
  switch (identity.kind) {
    case "none":
      return undefined;
    case "fake":
      return {
        isDevelopers: true,
        getToken: (audience) =>
          Promise.resolve({ token: `fake.${audience}`, expiresOnTimestamp: now().getTime() + FAKE_LIFE_MS }),
      };
    case "az":
    case "managed":
      return azureCredential(identity);
  }
}

/** The SDK is loaded at the first token, because few jobs ask for one. */
function azureCredential(identity: Extract<JobIdentity, { kind: "az" | "managed" }>): JobCredential {
  const loading = { credential: undefined as ReturnType<typeof load> | undefined };
  async function load() {
    const { AzureCliCredential, ManagedIdentityCredential } = await import("@azure/identity");
    return identity.kind === "az"
      ? new AzureCliCredential()
      : new ManagedIdentityCredential({ clientId: identity.clientId });
  }
  return {
    isDevelopers: identity.kind === "az",
    async getToken(audience, signal) {
      loading.credential ??= load();
      const { token, expiresOnTimestamp } = await (
        await loading.credential
      ).getToken(`${audience}/.default`, {
        abortSignal: signal,
      });
      return { token, expiresOnTimestamp };
    },
  };
}
