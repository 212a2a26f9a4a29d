/** Packages that tests publish in place of the samples, which a fork deletes. */
import { join } from "node:path";
import type { JobServiceClient } from "../../runtime/client/index.ts";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { localClient } from "../../runtime/local/stack.ts";
import { apiOf, type LocalApi, type LocalRun } from "./processes/local-run.ts";

export const TEST_PACKAGES = join(import.meta.dirname, "../fixtures/packages");
/** Options of `npm start`: any port, and these packages in place of the samples. */
export const WITH_TEST_PACKAGES: readonly string[] = ["--port", "0", "--no-demo", "--packages", TEST_PACKAGES];

/** Signed in as the demo's program, once the packages are published. */
export async function clientOf(run: LocalRun, home: string): Promise<{ api: LocalApi; client: JobServiceClient }> {
  const api = await apiOf(run, home);
  await run.says("Published");
  const issuer = { authority: api.authority, caFile: join(home, "identity/ca.pem") };
  return { api, client: await localClient({ apiUrl: api.url, issuer }, DEMO_APPLICATION) };
}
