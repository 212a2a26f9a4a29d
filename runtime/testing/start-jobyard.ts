/**
 * Starts the whole local system for the tests of one file: storage, broker, issuer, API and workers as processes, on free
 * ports, in a folder of its own. It ends with `stop()`, with `await using`, and with the process that started it, however
 * that ends.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
// A test is its own composition root: nobody hands it an environment.
import { env } from "node:process";
import { JobServiceClient, type JobServiceClientOptions, type JobView, type WaitOptions } from "../client/index.ts";
import { DEFAULT_POOL } from "../core/deployment/topology.ts";
import { LOCK_MS } from "../core/limits.ts";
import { DEMO_TENANT } from "../local/demo/demo.ts";
import { openHome } from "../local/home.ts";
import { issuerFetch } from "../local/identity/issuer-client.ts";
import {
  ADMIN_APPLICATION,
  DEMO_APPLICATION,
  type LocalApplication,
  seedTenants,
} from "../local/identity/principals.ts";
import { LAUNCHER } from "../local/launcher.ts";
import { type Stack, startStack } from "../local/stack.ts";

export interface StartJobyardOptions {
  /** Folders of packages, or ZIP files, that are published before the promise resolves. */
  readonly packages?: readonly string[] | undefined;
  /** Workers of the default pool. Default: 1. */
  readonly workers?: number | undefined;
  /** More pools, with their number of workers. */
  readonly pools?: Readonly<Record<string, number>> | undefined;
  /** Jobs that a worker runs at the same time. Default: 4. */
  readonly slots?: number | undefined;
}

export interface TestJobyard extends AsyncDisposable {
  /** Address of the API. */
  readonly url: string;
  /** The tenant that `client` may manage. */
  readonly tenantName: string;
  /** Signed in as a program that may submit jobs and publish packages in the tenant. */
  readonly client: JobServiceClient;
  /** Signed in as an administrator: tenants, grants, workers. */
  readonly admin: JobServiceClient;
  /** For clients that a program in this process makes: trusts the issuer's certificate. */
  readonly fetch: NonNullable<JobServiceClientOptions["fetch"]>;
  /** For programs in processes of their own: address, credentials and certificate. */
  readonly environment: Readonly<Record<string, string>>;
  /** The logs of its processes are in `logs/` below. */
  readonly directory: string;
  /** Packs a folder for this machine, or takes a ZIP, and publishes it. Resolves to the name under which jobs name it. */
  publish(path: string): Promise<string>;
  /** Resolves to the job when it has ended, in any state. Throws TimedOut after a minute, unless another time is given. */
  waitForJob(jobId: string, options?: WaitOptions): Promise<JobView>;
  /**
   * Ends a worker as a crash does (kill -9) and resolves when it is gone. Its processes of jobs end with it. The worker is
   * started again at once, and hands back what it held.
   */
  killWorker(workerId?: string): Promise<void>;
  /** Stops everything and removes the folder. Running jobs are ended. A second call does nothing. */
  stop(): Promise<void>;
}

const SLOTS = 4;
const WAIT_MS = 60_000;
/** Tests that stop the system do not wait for its jobs. */
const DRAIN_MS = 1_000;
const FIRST_WORKER = "worker-1";

export async function startJobyard(options: StartJobyardOptions = {}): Promise<TestJobyard> {
  const { packages = [], workers = 1, pools = {}, slots = SLOTS } = options;
  const directory = await mkdtemp(join(tmpdir(), "jobyard-testing-"));
  const ended = new EventTarget();
  let stack: Stack | undefined;
  /** Without time to wait: this process ends, or the one that started it has. */
  const abandon = (): void => {
    stack?.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  };
  // The processes of the system also end by themselves when this one is gone. A test runner that is killed leaves this
  // process behind, which the channels to them would keep alive.
  process.once("exit", abandon);
  process.once("disconnect", abandon);
  const home = await openHome(directory);
  const remove = async (): Promise<void> => {
    process.off("exit", abandon);
    process.off("disconnect", abandon);
    home.release();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  };
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= (stack?.stop() ?? Promise.resolve()).finally(remove));

  try {
    stack = await startStack({
      home,
      ...{ apiPort: 0, identityPort: 0, lockMs: LOCK_MS, drainMs: DRAIN_MS, slots },
      pools: new Map([[DEFAULT_POOL, workers], ...Object.entries(pools)]),
      launcher: LAUNCHER,
      environment: env,
      onRestart: (name) => ended.dispatchEvent(new Event(name)),
      provision,
    });
    const { apiUrl: url, issuer, supervisor } = stack;
    const trusting = issuerFetch(issuer.authority, await readFile(issuer.caFile, "utf8"));
    const signIn = async ({ clientId, secret }: LocalApplication): Promise<JobServiceClient> => {
      const client = new JobServiceClient(url, { fetch: trusting });
      await client.authenticate(clientId, secret);
      return client;
    };
    const [client, admin] = await Promise.all([signIn(DEMO_APPLICATION), signIn(ADMIN_APPLICATION)]);
    const publish = async (path: string): Promise<string> => {
      const { name, zip } = await zipOf(path);
      await client.management.publishPackage(DEMO_TENANT, name, zip);
      return name;
    };
    for (const path of packages) await publish(path);
    return {
      ...{ url, tenantName: DEMO_TENANT, client, admin, fetch: trusting, directory, publish, stop },
      environment: {
        JOBYARD_URL: url,
        JOBYARD_CLIENT_ID: DEMO_APPLICATION.clientId,
        JOBYARD_CLIENT_SECRET: DEMO_APPLICATION.secret,
        JOBYARD_CA_FILE: issuer.caFile,
        NODE_EXTRA_CA_CERTS: issuer.caFile,
      },
      waitForJob: (jobId, { timeoutMs = WAIT_MS, ...rest } = {}) => client.waitForJob(jobId, { timeoutMs, ...rest }),
      async killWorker(workerId = FIRST_WORKER) {
        const pid = supervisor.pidOf(workerId);
        if (pid === undefined) throw new Error(`The worker ${workerId} is not running.`);
        const gone = once(ended, workerId);
        process.kill(pid, "SIGKILL");
        await gone;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Imported only here, because the SDKs and the compiler take longer to load than `runJob` takes. */
async function provision(connectionString: string): Promise<void> {
  const { connectStorage, createTenantStore, provisionStorage } = await import("../azure/index.ts");
  const storage = connectStorage({ kind: "connection-string", storage: connectionString });
  await provisionStorage(storage);
  await seedTenants(createTenantStore({ storage }), new Date());
}

async function zipOf(path: string): Promise<{ name: string; zip: Uint8Array<ArrayBuffer> }> {
  if (!(await stat(path)).isDirectory()) return { name: basename(path), zip: new Uint8Array(await readFile(path)) };
  const { packPackage } = await import("../package/build/pack.ts");
  const { currentPlatform } = await import("../worker/package-cache/unpack.ts");
  const { manifest, zip } = await packPackage({ directory: path, target: currentPlatform() });
  return { name: `${manifest.name}.zip`, zip };
}
