import { expect, it } from "vitest";
import { createKeyVaultSecrets, type KeyVaultDeps } from "../../../../runtime/azure/vault/key-vault-secrets.ts";

type Vault = NonNullable<KeyVaultDeps["client"]>;

/** A vault in memory, whose removed names stay taken, as with soft delete. */
function vaultOf(failure?: { readonly statusCode: number }) {
  const kept = new Map<string, { value: string; tags: unknown }>();
  const removed = new Set<string>();
  const client = {
    setSecret: (name: string, value: string, { tags }: { tags: unknown }) => {
      if (failure !== undefined) throw Object.assign(new Error(`quotes ${value}`), failure);
      if (removed.has(name)) throw Object.assign(new Error(), { statusCode: 409 });
      kept.set(name, { value, tags });
    },
    getSecret: (name: string) => {
      const secret = kept.get(name);
      if (secret === undefined) throw Object.assign(new Error(), failure ?? { statusCode: 404 });
      return { value: secret.value };
    },
    beginDeleteSecret: (name: string) => {
      if (failure !== undefined) throw Object.assign(new Error(), failure);
      if (!kept.delete(name)) throw Object.assign(new Error(), { statusCode: 404 });
      removed.add(name);
    },
  };
  // The SDK's answers have much more than is read.
  return { kept, client: client as unknown as Vault };
}

const secretsOf = (client: Vault) =>
  createKeyVaultSecrets({
    vaultUrl: "https://v.vault.azure.net",
    credential: { getToken: () => Promise.resolve(null) },
    client,
  });

it("keeps each value under a new name that Key Vault accepts, with tags for people", async () => {
  const { kept, client } = vaultOf();
  const secrets = secretsOf(client);
  const labels = { tenant: "acme", package: "a_b.zip", setting: "API_KEY" };
  const ids = [await secrets.add("one", labels), await secrets.add("one", labels)];
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-zA-Z-]{1,127}$/);
    expect(await secrets.get(id)).toBe("one");
    expect(kept.get(id)?.tags).toEqual(labels);
  }
});

it("removes a value once, and an absent one is absent", async () => {
  const { client } = vaultOf();
  const secrets = secretsOf(client);
  const id = await secrets.add("one", {});
  await secrets.remove(id);
  await secrets.remove(id);
  expect(await secrets.get(id)).toBeUndefined();
});

it("says that secrets are unavailable, and quotes no value, when Key Vault refuses or does not answer", async () => {
  for (const statusCode of [403, 429, 500]) {
    const secrets = secretsOf(vaultOf({ statusCode }).client);
    for (const work of [() => secrets.add("hunter22", {}), () => secrets.get("x"), () => secrets.remove("x")]) {
      const error: unknown = await work().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "SecretsUnavailable", retryable: true });
      expect((error as Error).message).not.toContain("hunter22");
      expect((error as Error).message).toContain(String(statusCode));
    }
  }
});
