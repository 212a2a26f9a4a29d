/** A local stack for one measurement, with its own folder and ports. It is removed afterwards. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectStorage, createTenantStore, provisionStorage } from "../runtime/azure/index.ts";
import { DEFAULT_POOL } from "../runtime/core/deployment/topology.ts";
import { openHome } from "../runtime/local/home.ts";
import { seedTenants } from "../runtime/local/identity/principals.ts";
import { startStack, type Stack, type StackOptions } from "../runtime/local/stack.ts";

export type BenchStackOptions = Pick<StackOptions, "slots" | "requestsPerMinute"> & {
  /** Of the default pool. */
  readonly workers: number;
};

export async function withStack<T>(
  { workers, ...options }: BenchStackOptions,
  measure: (stack: Stack) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const home = await openHome(directory);
  const stack = await startStack({
    ...options,
    home,
    apiPort: 0,
    identityPort: 0,
    pools: new Map([[DEFAULT_POOL, workers]]),
    lockMs: 60_000,
    drainMs: 5_000,
    launcher: join(import.meta.dirname, "../runtime/main/start.mjs"),
    environment: process.env,
    onRestart: () => undefined,
    async provision(connectionString) {
      const storage = connectStorage({ kind: "connection-string", storage: connectionString });
      await provisionStorage(storage);
      await seedTenants(createTenantStore({ storage }), new Date());
    },
  });
  try {
    return await measure(stack);
  } finally {
    await stack.stop();
    home.release();
    await rm(directory, { recursive: true, force: true });
  }
}
