/** Azurite and a local Service Bus for one run after the other, each in a pool and a tenant of its own. */
import {
  connectServiceBus,
  createBatchStore,
  createJobFiles,
  createJobQueue,
  createJobStore,
  createPackageStore,
  createTimerStore,
  createWorkerStore,
} from "../../../runtime/azure/index.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import { busTopology } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { createPackageCache } from "../../../runtime/worker/package-cache/package-cache.ts";
import { currentPlatform } from "../../../runtime/worker/package-cache/unpack.ts";
import { bundleHost } from "../../../runtime/worker/process/module/host-bundle.ts";
import { createJobProcesses } from "../../../runtime/worker/process/job-processes.ts";
import { testPackage } from "../packages/test-package.ts";
import { freshTenant, testStorage } from "../stores/test-storage.ts";
import type { Services } from "./fault-lab.ts";
import { createScriptedJobs, SCRIPTED_JOB_TYPES } from "./scripted-jobs.ts";

/** Where jobs run: in children as in production, or in the worker's own process. */
export type Runner = "children" | "scripts";

export interface RealLab extends AsyncDisposable {
  /** Services of one run; no two runs in one pool at a time. */
  services(pool: string, runner: Runner): Promise<Services>;
}

const IN_CHILDREN: Readonly<Record<string, string>> = {
  Work: `context.progress(0.5); fs.writeFileSync(path.join(context.outputPath, "work.txt"), job.jobId);
    await new Promise((resolve) => setTimeout(resolve, 900)); return { output: job.interruption };`,
  FailOnce: `if (job.attempt === 1) throw new Error("the first time"); return { output: job.attempt };`,
  Fails: `throw new Error("no luck");`,
  Interrupted: `if (job.interruption > 0) return { output: job.interruption };
    await new Promise((_, reject) => context.signal.addEventListener("abort", () => reject(new Error("stopped"))));`,
  Waits: `await new Promise((_, reject) => context.signal.addEventListener("abort", () => reject(new Error("stopped"))));`,
};

export async function startRealLab(
  pools: readonly string[],
  { lockMs }: { readonly lockMs: number },
): Promise<RealLab> {
  const bus = await startLocalServiceBus({ port: 0, topology: busTopology(pools, { lockMs }) });
  const connection = { kind: "connection-string", serviceBus: bus.connectionString } as const;
  const packages = createPackageStore({ storage: testStorage() });
  const connect = () => createJobQueue({ bus: connectServiceBus(connection) });
  const observer = connect();
  const bodies = Object.fromEntries(SCRIPTED_JOB_TYPES.map((type) => [type, IN_CHILDREN[type] ?? "return {};"]));
  const zip = testPackage({ jobs: bodies });

  return {
    async services(pool, runner) {
      const tenantName = freshTenant();
      await packages.upload(tenantName, "test.zip", zip);
      return {
        lockMs,
        pool,
        tenantName,
        stores(process) {
          const storage = testStorage();
          return {
            jobs: createJobStore({ storage, writerId: `${tenantName}-${process}` }),
            batches: createBatchStore({ storage }),
            workers: createWorkerStore({ storage }),
            files: createJobFiles({ storage }),
            packages: createPackageStore({ storage }),
            timers: createTimerStore({ storage }),
          };
        },
        observer,
        queue: connect,
        cache: (store, directory) =>
          createPackageCache({ store, directory, platform: currentPlatform(), monotonicNow: systemClock.monotonicNow }),
        async processes(directory, story) {
          if (runner === "scripts") return createScriptedJobs({ lockMs, ...story });
          const hostEntry = await bundleHost(directory);
          const environment = { PATH: process.env["PATH"] ?? "" };
          return createJobProcesses({ root: directory, hostEntry, spares: 1, environment });
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
    async [Symbol.asyncDispose]() {
      await observer.close();
      await bus.close();
    },
  };
}
