/** A folder that stands for the root of a machine: the real scripts of `infra/cloud-init` run in it against fakes. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { RELEASES } from "../../../runtime/core/deployment/storage-layout.ts";
import { hasProgram } from "../processes/has-program.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { type FakeMetadataService, startFakeMetadataService } from "./fake-metadata-service.ts";

const SCRIPTS = join(import.meta.dirname, "../../../infra/cloud-init");

/** What an image of a machine has and this one may not. */
const MACHINE_PROGRAMS = ["bash", "curl", "python3", "tar"];
export const MISSING_PROGRAMS = MACHINE_PROGRAMS.filter((name) => !hasProgram(name, "--version"));

export interface ScratchMachine extends AsyncDisposable {
  readonly root: string;
  readonly metadata: FakeMetadataService;
  readonly releases: FakeReleaseServer;
  /** Runs the bootstrap to its end. */
  bootstrap(env?: Readonly<Record<string, string>>): Promise<{ readonly code: number; readonly log: string }>;
  /** Starts what the bootstrap has left. */
  startWorker(env?: Readonly<Record<string, string>>): ChildProcess;
}

export async function startScratchMachine(): Promise<ScratchMachine> {
  const directory = await temporaryDirectory();
  // Jobs of another user pass through.
  await chmod(directory.path, 0o711);
  const root = join(directory.path, "root");
  await mkdir(join(root, "var/lib/jobyard"), { recursive: true });
  const archive = await nodeArchive(join(directory.path, "archive"));
  const metadata = await startFakeMetadataService();
  const releases = await startFakeReleaseServer(archive, (token) => metadata.tokens.includes(token));
  const common = {
    PATH: process.env["PATH"] ?? "",
    JOBYARD_ROOT: root,
    JOBYARD_METADATA_URL: metadata.url,
  };
  const settings = {
    ...common,
    AZURE_CLIENT_ID: "identity-of-the-pool",
    JOBYARD_RELEASES_URL: releases.releasesUrl,
    JOBYARD_RELEASE_POINTER: RELEASES.workerPointer,
    JOBYARD_NODE_URL: releases.nodeUrl,
    JOBYARD_NODE_SHA256: createHash("sha256").update(archive).digest("hex"),
    JOBYARD_PAUSE_SECONDS: "0",
  };
  return {
    root,
    metadata,
    releases,
    bootstrap: (env = {}) =>
      new Promise((resolve) => {
        const child = spawn(join(SCRIPTS, "bootstrap.sh"), {
          env: { ...settings, ...env },
          stdio: ["ignore", "pipe", "pipe"],
        });
        let log = "";
        for (const stream of [child.stdout, child.stderr])
          stream.on("data", (chunk: Buffer) => (log += chunk.toString()));
        child.once("close", (code) => resolve({ code: code ?? -1, log }));
      }),
    startWorker: (env = {}) =>
      spawn(join(SCRIPTS, "start-worker.py"), {
        env: { ...common, ...env },
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      }),
    async [Symbol.asyncDispose]() {
      await metadata[Symbol.asyncDispose]();
      await releases[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** As nodejs.org packs it: everything in one folder. The program in it is this process's own Node. */
async function nodeArchive(folder: string): Promise<Uint8Array> {
  const inside = join(folder, "node-v0-linux-x64");
  await mkdir(join(inside, "bin"), { recursive: true });
  await writeFile(join(inside, "bin/node"), `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  const file = join(folder, "node.tar");
  await promisify(execFile)("tar", ["--create", "--file", file, "--directory", folder, "node-v0-linux-x64"]);
  return readFile(file);
}

// --- Where it fetches its code: the container of releases, which needs a token, and the archive of Node --------------

export interface FakeReleaseServer extends AsyncDisposable {
  /** Of the container. */
  readonly releasesUrl: string;
  readonly nodeUrl: string;
  /** Paths of answered requests, with their status. */
  readonly requests: readonly string[];
  /** Puts a package there and points to it; resolves to its version. `sha256`: what the pointer claims instead. */
  release(zip: Uint8Array, claims?: { readonly sha256?: string; readonly version?: string }): string;
  /** Takes the pointer away, as in the moment between two. */
  removePointer(): void;
  /** Replaces the pointer's text. */
  point(text: string): void;
  /** The next answers to requests for a path that contains the text. */
  fail(part: string, ...statuses: readonly number[]): void;
}

async function startFakeReleaseServer(
  nodeArchive: Uint8Array,
  isToken: (token: string) => boolean,
): Promise<FakeReleaseServer> {
  const blobs = new Map<string, Uint8Array>([["/node", nodeArchive]]);
  const faults: { readonly part: string; readonly statuses: number[] }[] = [];
  const requests: string[] = [];
  const pointer = `/${RELEASES.container}/${RELEASES.workerPointer}`;

  function statusOf(path: string, authorization: string | undefined): number {
    const fault = faults.find(({ part, statuses }) => path.includes(part) && statuses.length > 0)?.statuses.shift();
    if (fault !== undefined) return fault;
    if (path !== "/node" && !isToken(authorization?.replace("Bearer ", "") ?? "")) return 401;
    return blobs.has(path) ? 200 : 404;
  }

  const server = createServer((incoming, answer) => {
    const path = incoming.url ?? "";
    // Without a version the service does not take tokens.
    const status =
      incoming.headers["x-ms-version"] === undefined ? 400 : statusOf(path, incoming.headers.authorization);
    requests.push(`${status} ${path}`);
    answer.writeHead(status).end(status === 200 ? blobs.get(path) : "<Error/>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The fake server has no port.");
  const url = `http://127.0.0.1:${address.port}`;
  const point = (text: string): void => void blobs.set(pointer, Buffer.from(text));
  return {
    releasesUrl: `${url}/${RELEASES.container}`,
    nodeUrl: `${url}/node`,
    requests,
    release(zip, claims = {}) {
      const sha256 = createHash("sha256").update(zip).digest("hex");
      const blob = `worker/${sha256}.zip`;
      const version = claims.version ?? sha256.slice(0, 12);
      blobs.set(`/${RELEASES.container}/${blob}`, zip);
      point(JSON.stringify({ version, blob, sha256: claims.sha256 ?? sha256 }));
      return version;
    },
    removePointer: () => void blobs.delete(pointer),
    point,
    fail: (part, ...statuses) => void faults.push({ part, statuses: [...statuses] }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
