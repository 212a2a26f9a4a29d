import { afterAll, beforeAll, expect, it } from "vitest";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

const given: string[] = [];
let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
  await system.startWorker({
    credential: {
      isDevelopers: false,
      getToken(audience) {
        given.push(audience);
        return Promise.resolve({ token: `token-for-${audience}`, expiresOnTimestamp: 1_000 });
      },
    },
  });
});
afterAll(() => system[Symbol.asyncDispose]());

const ASK = `
  const ask = (scope) => context.credential.getToken(scope).then(({ token }) => token, (error) => error.message);
  return { output: [await ask("https://vault.azure.net/.default"), await ask("https://management.azure.com/.default")] };`;

it("gets tokens for what its package declares and an administrator has granted its tenant, and nothing else", async () => {
  const [tenant, other] = [freshTenant(), freshTenant()];
  const manifest = { tokenAudiences: ["https://vault.azure.net"] };
  for (const name of [tenant, other]) {
    await system.api.put(`/v1/tenants/${name}`);
    await system.publish(name, "test.zip", testPackage({ jobs: { Ask: ASK }, manifest }));
  }
  const audiences = ["https://vault.azure.net", "https://management.azure.com"];
  expect((await system.api.put(`/v1/tenants/${tenant}/identities/default`, { audiences })).status).toBe(200);
  const outputOf = async (name: string): Promise<unknown> =>
    JSON.parse((await system.until(await system.submit(name, "Ask"))).output ?? "");
  expect(await outputOf(tenant)).toEqual([
    "token-for-https://vault.azure.net",
    "No token: The package does not declare https://management.azure.com with defineIdentity.",
  ]);
  expect(await outputOf(other)).toEqual([
    "No token: The tenant is not granted https://vault.azure.net on this pool (jobyard identities).",
    "No token: The package does not declare https://management.azure.com with defineIdentity.",
  ]);
  expect(given).toEqual(["https://vault.azure.net"]);
});
