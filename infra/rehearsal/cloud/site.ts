/**
 * The API as App Service runs it: from the package in its settings, downloaded with its identity, with its recorded
 * command line. There are as many instances as the plan has. An instance that ends is started again.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { unpackPackage } from "../../../runtime/worker/package-cache/unpack.ts";
import { APP_IDENTITY_ADDRESS, memberAddress } from "./addresses.ts";
import type { Estate, RecordedSite } from "./estate.ts";
import { forward, forwardUpgrade, type ForwardTo, type UpgradeHandler } from "./http.ts";
import { answerToken, ownIdentity } from "./metadata-service.ts";
import { startConnected, type ConnectedProcess } from "./network.ts";
import type { Tokens } from "./tokens.ts";

export interface Site {
  /** Handles a request for the site's host name. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  handleUpgrade: UpgradeHandler;
  /** Handles a request for the tokens of its identity. */
  handleIdentity(request: IncomingMessage, response: ServerResponse): void;
  /** Applies these settings: downloads the package, and restarts every instance if anything changed. */
  deploy(site: RecordedSite): Promise<void>;
  /** The processes of the instances. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export interface SiteDeps {
  readonly estate: () => Pick<Estate, "identities" | "subnets">;
  readonly tokens: Tokens;
  readonly folder: string;
  readonly caFile: string;
  readonly nowMs: () => number;
}

export const IDENTITY_PORT = 8081;
/** The front of App Service ends a connection that is silent for longer. https://learn.microsoft.com/azure/app-service/faq-availability-performance-application-issues */
export const IDLE_MS = 230_000;
/** The time for an instance to stop before it is killed. */
const STOP_MS = 15_000;
const RESTART_MS = 1_000;
const IDENTITY_SECRET = randomUUID();

interface SiteInstance {
  readonly address: string;
  stop(): Promise<void>;
  readonly pid: number;
}

export function createSite({ estate, tokens, folder, caFile, nowMs }: SiteDeps): Site {
  let instances: readonly SiteInstance[] = [];
  let deployed: RecordedSite | undefined;
  let turn = 0;

  const identityOf = (site: RecordedSite, id: string) => {
    const identity = estate().identities.find((one) => one.id === id && site.identityIds.includes(id));
    if (identity === undefined) throw new RangeError(`The app does not have the identity ${id}.`);
    return identity;
  };

  /** Retries until the role is effective. */
  async function fetchPackage(site: RecordedSite): Promise<Buffer> {
    const url = site.settings["WEBSITE_RUN_FROM_PACKAGE"] ?? "";
    const identity = identityOf(site, site.settings["WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID"] ?? "");
    for (;;) {
      const { accessToken } = tokens.issue(identity.principalId, "https://storage.azure.com");
      const headers = { authorization: `Bearer ${accessToken}`, "x-ms-version": "2021-12-02" };
      const answer = await fetch(url, { headers });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      if (answer.status !== 403)
        throw new Error(`The download of the API's package ${url} failed with ${answer.status}.`);
      await sleep(RESTART_MS);
    }
  }

  function startInstance(site: RecordedSite, root: string, index: number): SiteInstance {
    const prefix = estate().subnets.get(site.subnetId) ?? "";
    const address = memberAddress(prefix, index);
    const output = openSync(join(folder, `api-${index}.log`), "a");
    const env = {
      ...site.settings,
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
      HOME: "/home",
      WEBSITE_INSTANCE_ID: `${index}${"0123456789abcdef".repeat(4)}`.slice(0, 64),
      WEBSITE_SITE_NAME: site.host.split(".")[0] ?? "",
      IDENTITY_ENDPOINT: `http://${APP_IDENTITY_ADDRESS}:${IDENTITY_PORT}/msi/token`,
      IDENTITY_HEADER: IDENTITY_SECRET,
      NODE_EXTRA_CA_CERTS: caFile,
    };
    const stopping = new AbortController();
    let current: ConnectedProcess | undefined;
    let starts = 0;
    const isStopping = (): boolean => stopping.signal.aborted;
    const living = (async (): Promise<void> => {
      while (!isStopping()) {
        const device = `api${index}-${starts++}`;
        const options = { device, address, prefix, commandLine: site.commandLine, cwd: root, env, output };
        current = await startConnected(options);
        const { child } = current;
        const end = (): void => void child.kill("SIGTERM");
        stopping.signal.addEventListener("abort", end);
        // A stop may have been requested while it started.
        if (isStopping()) end();
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
        await sleep(RESTART_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    })();
    return {
      address,
      get pid() {
        return current?.child.pid ?? 0;
      },
      async stop() {
        stopping.abort();
        const timer = setTimeout(() => current?.child.kill("SIGKILL"), STOP_MS);
        await living;
        clearTimeout(timer);
      },
    };
  }

  /** Instances take turns, because affinity is off. */
  function nextTarget({ socket, headers }: IncomingMessage): ForwardTo | undefined {
    const instance = instances[turn++ % Math.max(1, instances.length)];
    if (instance === undefined || deployed === undefined) return undefined;
    const caller = `${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`;
    return {
      host: instance.address,
      port: Number(deployed.settings["PORT"]),
      secure: false,
      headers: {
        "x-forwarded-for": [headers["x-forwarded-for"], caller].filter(Boolean).join(", "),
        "x-forwarded-proto": "https",
        "x-forwarded-host": headers.host,
        "x-arr-ssl": "2048|256|CN=rehearsal",
      },
    };
  }

  return {
    get pids() {
      return instances.map(({ pid }) => pid);
    },

    async deploy(site) {
      if (JSON.stringify(site) === JSON.stringify(deployed)) return;
      const bytes = await fetchPackage(site);
      await Promise.all(instances.map((instance) => instance.stop()));
      const root = join(folder, "wwwroot");
      await rm(root, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await unpackPackage({ bytes, directory: root });
      deployed = site;
      instances = Array.from({ length: site.instances }, (_, index) => startInstance(site, root, index));
    },

    handle(request, response) {
      const target = nextTarget(request);
      if (target === undefined) response.writeHead(503).end("The site is not deployed.");
      else forward(request, response, target);
    },

    handleUpgrade(request, socket, head) {
      const target = nextTarget(request);
      if (target === undefined) socket.destroy();
      else forwardUpgrade(request, socket, head, target);
    },

    handleIdentity(request, response) {
      const url = new URL(request.url ?? "/", "http://identity");
      const isOurs = request.headers["x-identity-header"] === IDENTITY_SECRET;
      const { identities } = estate();
      answerToken(
        url,
        response,
        isOurs ? ownIdentity(identities, deployed?.identityIds ?? [], url) : undefined,
        tokens,
        nowMs,
      );
    },

    async stop() {
      await Promise.all(instances.map((instance) => instance.stop()));
      instances = [];
    },
  };
}
