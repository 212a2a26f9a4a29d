/**
 * The local stack: storage, message broker, token issuer, API and workers as supervised processes. They start in the
 * order of their dependencies and stop in reverse order. `localClient` signs in to it.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { JobServiceClient } from "../client/index.ts";
import { DEFAULT_POOL, busTopology } from "../core/deployment/topology.ts";
import type { InspectSettings } from "../core/settings/worker-settings.ts";
import type { Environment } from "../core/settings/environment.ts";
import { SETTING } from "../core/settings/names.ts";
import { type Home } from "./home.ts";
import { freePorts } from "./ports.ts";
import { type LocalIssuer, issuerFetch } from "./identity/issuer-client.ts";
import { API_CLIENT_ID, DIRECTORY_ID, type LocalApplication, PUBLIC_CLIENT_ID } from "./identity/principals.ts";
import { type Program, type Supervisor, createSupervisor } from "./supervisor.ts";

export interface StackOptions {
  readonly home: Home;
  readonly apiPort: number;
  /** Number of API instances. The first uses that port. Default 1. */
  readonly apis?: number;
  /** Port of the token issuer; 0: any. */
  readonly identityPort: number;
  /** Number of workers in each pool. */
  readonly pools: ReadonlyMap<string, number>;
  /** Concurrent jobs in each worker. */
  readonly slots: number;
  readonly lockMs: number;
  /** Time for running jobs to end when the stack stops. */
  readonly drainMs: number;
  /** How long workers use what storage has said about a package. Default: the programs' own default. */
  readonly packageAnswerMs?: number | undefined;
  /** Jobs stop for a debugger. Needs one worker with one slot. */
  readonly inspect?: InspectSettings | undefined;
  /** How far ahead ticks of timers are sent. Default: the API's own default. */
  readonly tickHorizonSeconds?: number;
  /** The dashboard's built pages, awaited before the API starts. Default: those beside the programs, if any. */
  readonly webDirectory?: Promise<string | undefined>;
  /** Settings of API and workers that say where they send telemetry. Default: nowhere. */
  readonly telemetry?: Readonly<Record<string, string>>;
  /** Limit for one caller of the API. Default: the API's own default. */
  readonly requestsPerMinute?: number;
  /** `start.mjs`, which runs a program of the project by name. */
  readonly launcher: string;
  /**
   * The environment of this process. The stack's processes get PATH, HOME, language, zone and their settings from it.
   */
  readonly environment: Environment;
  readonly onRestart: (name: string, how: string) => void;
  /** Called when a part of the stack is ready. */
  readonly onReady?: (part: StackPart) => void;
  /** Aborts the start: started processes stop, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Creates tables, containers and the first tenants. Runs after storage starts and before the programs that need them.
   */
  readonly provision: (storageConnectionString: string) => Promise<void>;
}

export type StackPart = "storage" | "bus" | "identity" | "api" | "workers";

interface LocalWorker {
  readonly workerId: string;
  readonly pool: string;
}

/** Workers of the default pool get the shortest names, because they are seen most. */
const workerOf = (pool: string, number: number): LocalWorker => ({
  workerId: pool === DEFAULT_POOL ? `worker-${number}` : `worker-${pool}-${number}`,
  pool,
});

export interface Stack {
  readonly apiUrl: string;
  /** Issuer of the tokens for the API. */
  readonly issuer: LocalIssuer;
  readonly storageConnectionString: string;
  readonly serviceBusConnectionString: string;
  /** For managing the broker. */
  readonly serviceBusAdminConnectionString: string;
  readonly supervisor: Supervisor;
  /** Lets running jobs end, then stops everything. */
  stop(): Promise<void>;
  /** Kills everything now. */
  kill(): void;
}

const STOP_GRACE_MS = 10_000;
/** The variables of the environment that our own processes need: to find programs, and the user's locale. */
const PASSED_ON = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "NODE_EXTRA_CA_CERTS", "SystemRoot", "TEMP"];

export async function startStack(options: StackOptions): Promise<Stack> {
  const { home, apiPort, identityPort, pools, launcher, environment } = options;
  const { onRestart, onReady = () => undefined } = options;
  const supervisor = createSupervisor({ logDirectory: home.logs, onRestart });
  const workers = [...pools].flatMap(([pool, count]) => Array.from({ length: count }, (_, i) => workerOf(pool, i + 1)));
  const apis = Array.from({ length: options.apis ?? 1 }, (_, i) => (i === 0 ? "api" : `api-${i + 1}`));
  const stopOrder = [workers.map(({ workerId }) => workerId), apis, ["bus", "storage", "identity"]];

  const passedOn = picked(environment, PASSED_ON);
  const program = (name: string, kind: string, args: readonly string[], env: Record<string, string> = {}): Program => ({
    name,
    modulePath: launcher,
    args: [kind, ...args],
    // The folder identifies the stack in lists of processes.
    env: {
      ...passedOn,
      JOBYARD_HOME: home.directory,
      [SETTING.logLevel]: environment[SETTING.logLevel] ?? "info",
      ...picked(environment, [SETTING.events, SETTING.otlpEndpoint, SETTING.otlpHeaders, SETTING.traceRatio]),
      ...env,
    },
    stopGraceMs: kind === "worker" ? options.drainMs + STOP_GRACE_MS : STOP_GRACE_MS,
    stopsAfter: stopOrder
      .slice(
        0,
        stopOrder.findIndex((names) => names.includes(name)),
      )
      .flat(),
  });

  const start = async (): Promise<Stack> => {
    const [blobPort = 0, tablePort = 0, busPort = 0, adminPort = 0, pagePort = 0, ...anyPorts] = await freePorts(7);
    // Chosen here, so that a restarted process keeps its port.
    const [port = "", issuerPort = ""] = [apiPort, identityPort].map((wanted, i) => String(wanted || anyPorts[i]));
    const topologyFile = join(home.bus, "topology.json");
    await writeFile(topologyFile, JSON.stringify(busTopology([...pools.keys()], { lockMs: options.lockMs }), null, 2));

    const up = async <T>(part: StackPart, starting: Promise<T>): Promise<T> => {
      const started = await starting;
      onReady(part);
      return started;
    };
    const [issuerReady, busReady, storage] = await Promise.all([
      up(
        "identity",
        supervisor.start(
          program("identity", "identity", [
            ...["--directory", home.identity, "--port", issuerPort, "--page-port", String(pagePort)],
          ]),
        ),
      ),
      up(
        "bus",
        supervisor.start(
          program("bus", "bus", [
            ...["--port", String(busPort), "--admin-port", String(adminPort), "--data-dir", home.messages],
            ...["--topology", topologyFile],
          ]),
        ),
      ),
      supervisor
        .start(
          program("storage", "storage", [
            ...["--directory", home.storage, "--blob-port", String(blobPort), "--table-port", String(tablePort)],
          ]),
        )
        .then(async ({ connectionString }) => {
          const storage = String(connectionString);
          await options.provision(storage);
          onReady("storage");
          return storage;
        }),
    ]);
    const issuer = { authority: String(issuerReady["authority"]), caFile: String(issuerReady["caFile"]) };
    const serviceBus = String(busReady["connectionString"]);
    const common = {
      ...(options.packageAnswerMs !== undefined && { [SETTING.packageAnswerMs]: String(options.packageAnswerMs) }),
      ...options.telemetry,
      [SETTING.storageConnectionString]: storage,
      [SETTING.serviceBusConnectionString]: serviceBus,
      [SETTING.serviceBusAdminConnectionString]: String(busReady["adminConnectionString"]),
      [SETTING.secretsDirectory]: home.secrets,
    };
    const startWorker = async ({ workerId, pool }: LocalWorker): Promise<void> => {
      const directory = join(home.workers, workerId);
      await mkdir(directory, { recursive: true });
      const settings = {
        [SETTING.workerId]: workerId,
        [SETTING.pool]: pool,
        [SETTING.workerDirectory]: directory,
        [SETTING.slots]: String(options.slots),
        [SETTING.jobIdentity]: environment[SETTING.jobIdentity] ?? "az",
        [SETTING.drainSeconds]: String(Math.ceil(options.drainMs / 1_000)),
        [SETTING.lockSeconds]: String(options.lockMs / 1_000),
        ...(options.inspect !== undefined && { [SETTING.inspect]: JSON.stringify(options.inspect) }),
      };
      await supervisor.start(program(workerId, "worker", [], { ...common, ...settings }));
    };
    const webDirectory = await options.webDirectory;
    const apiSettings = {
      // Receivers under development run here too. Only this machine reaches the API.
      [SETTING.webhookLoopback]: "allow",
      [SETTING.authAuthority]: issuer.authority,
      [SETTING.authTenantId]: DIRECTORY_ID,
      [SETTING.authClientId]: API_CLIENT_ID,
      [SETTING.authPublicClientId]: PUBLIC_CLIENT_ID,
      [SETTING.authCaFile]: issuer.caFile,
      [SETTING.authPageAuthority]: String(issuerReady["pageAuthority"]),
      ...(webDirectory !== undefined && { [SETTING.webDirectory]: webDirectory }),
      [SETTING.pools]: [...pools.keys()].join(","),
      [SETTING.lockSeconds]: String(options.lockMs / 1_000),
      // For web pages under development.
      ...picked(environment, [SETTING.allowedOrigins, SETTING.followersPerCaller]),
      ...(options.requestsPerMinute !== undefined && {
        [SETTING.requestsPerMinute]: String(options.requestsPerMinute),
      }),
      ...(options.tickHorizonSeconds !== undefined && {
        [SETTING.tickHorizonSeconds]: String(options.tickHorizonSeconds),
      }),
    };
    const startApi = (name: string, index: number) => {
      const own = { [SETTING.instanceId]: name, [SETTING.apiPort]: index === 0 ? port : "0" };
      return supervisor.start(program(name, "api", [], { ...common, ...apiSettings, ...own }));
    };
    const [[apiReady]] = await Promise.all([
      up("api", Promise.all(apis.map(startApi))),
      up("workers", Promise.all(workers.map(startWorker))),
    ]);
    return {
      apiUrl: `http://127.0.0.1:${String(apiReady?.["port"])}`,
      issuer,
      storageConnectionString: storage,
      serviceBusConnectionString: serviceBus,
      serviceBusAdminConnectionString: String(busReady["adminConnectionString"]),
      supervisor,
      stop: () => supervisor.stop(stopOrder),
      kill: () => supervisor.kill(),
    };
  };
  try {
    return await unlessAborted(start(), options.signal);
  } catch (error) {
    // Stop everything after an incomplete start.
    await supervisor.stop(stopOrder);
    throw error;
  }
}

function unlessAborted<T>(starting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return starting;
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", give, { once: true });
    starting.finally(() => signal.removeEventListener("abort", give)).then(resolve, reject);
    if (signal.aborted) give();
  });
}

const picked = (environment: Environment, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** The normal client, signed in as an application of the local issuer. */
export async function localClient(
  { apiUrl, issuer }: Pick<Stack, "apiUrl" | "issuer">,
  { clientId, secret }: LocalApplication,
): Promise<JobServiceClient> {
  const fetch = issuerFetch(issuer.authority, await readFile(issuer.caFile, "utf8"));
  const client = new JobServiceClient(apiUrl, { fetch });
  await client.authenticate(clientId, secret);
  return client;
}
