/** A folder that stands for the root of a machine: the real scripts of `infra/cloud-init` run in it against fakes. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { RELEASES } from "../../runtime/core/deployment/storage-layout.ts";
import { startFakeMetadataService, type FakeMetadataService } from "./fake-metadata-service.ts";
import { hasProgram } from "./has-program.ts";
import { startFakeReleaseServer, type FakeReleaseServer } from "./fake-release-server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const SCRIPTS = join(import.meta.dirname, "../../infra/cloud-init");

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
