/** `npm start` as a terminal starts it: a process with a data folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { BatchView, JobView } from "../../../runtime/core/http/views.ts";
import { type Authorize, signInAs } from "../../../runtime/local/identity/issuer-client.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";

/** Disposing kills it, if the test has not ended it. */
export interface LocalRun extends AsyncDisposable {
  readonly process: ChildProcess;
  /** What it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
  /** Resolves as soon as the text appears on either stream; rejects when the run ends first. */
  says(text: string | RegExp): Promise<RegExpExecArray>;
  /** Process ids of the stack's programs by name, as the system knows them. */
  programs(): ReadonlyMap<string, number>;
}

const LAUNCHER = join(import.meta.dirname, "../../../runtime/main/start.mjs");

export function startLocal(home: string, args: readonly string[], env: Record<string, string> = {}): LocalRun {
  const child = spawn(process.execPath, [LAUNCHER, "local", ...args], {
    env: { PATH: process.env["PATH"] ?? "", JOBYARD_HOME: home, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // A test that ran out of time never comes to dispose of it.
  const killWithParent = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithParent);
  const output = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  const collect = (name: "stdout" | "stderr") => (chunk: Buffer) => {
    output[name] += chunk.toString();
    for (const listener of listeners) listener();
  };
  child.stdout.on("data", collect("stdout"));
  child.stderr.on("data", collect("stderr"));
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  void exited.then(() => process.off("exit", killWithParent));

  return {
    process: child,
    output,
    exited,
    says: (text) =>
      new Promise((resolve, reject) => {
        const pattern = typeof text === "string" ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) : text;
        const look = (): void => {
          const match = pattern.exec(output.stdout) ?? pattern.exec(output.stderr);
          if (match === null) return;
          listeners.delete(look);
          resolve(match);
        };
        listeners.add(look);
        void exited.then((code) => {
          reject(
            new Error(
              `It ended with ${String(code)} before it said ${String(text)}:\n${output.stdout}${output.stderr}`,
            ),
          );
        });
        look();
      }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
    programs: () =>
      new Map(processesOf(home).flatMap(({ pid, program }) => (program === undefined ? [] : [[program, pid]]))),
  };
}

interface OwnProcess {
  readonly pid: number;
  /** worker-1, api, bus …; undefined for processes of jobs. */
  readonly program: string | undefined;
}

/** Every process that works with this data folder, found by its command line or environment. */
export function processesOf(home: string): readonly OwnProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
        const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        const belongs = [...command, ...environment].some((text) => text.includes(home));
        return belongs ? [{ pid: Number(name), program: programOf(command, environment) }] : [];
      } catch {
        // It ended meanwhile, or belongs to another user.
        return [];
      }
    });
}

function programOf(command: readonly string[], environment: readonly string[]): string | undefined {
  const at = command.findIndex((part) => part.endsWith("start.mjs"));
  if (at < 0) return undefined;
  const worker = environment.find((entry) => entry.startsWith("JOBYARD_WORKER_ID="));
  return worker === undefined ? command[at + 1] : worker.split("=")[1];
}

// --- Its API, as an administrator ------------------------------------------------------------------------------------

export interface LocalApi {
  readonly url: string;
  /** Of the local issuer. */
  readonly authority: string;
  get<T>(path: string): Promise<T>;
}

/** Signs in at the issuer the API names, once the API is there. */
export async function apiOf(run: LocalRun, home: string): Promise<LocalApi> {
  const [, url = ""] = await run.says(/Running at (http:\S+)/);
  const { authority } = (await (await fetch(`${url}/v1/auth`)).json()) as { authority: string };
  const authorize: Authorize = signInAs(ADMIN_APPLICATION, { authority, caFile: join(home, "identity", "ca.pem") });
  return {
    url,
    authority,
    async get<T>(path: string) {
      const response = await fetch(`${url}/v1${path}`, { headers: { authorization: await authorize() } });
      return (await response.json()) as T;
    },
  };
}

export async function jobsOf(api: LocalApi, batchId: string): Promise<readonly JobView[]> {
  const { items } = await api.get<{ items: JobView[] }>(`/batches/${batchId}/jobs?pageSize=1000`);
  return items;
}

/** How many jobs of the batch run right now. */
export async function runningIn(api: LocalApi, batchId: string): Promise<number> {
  const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
  return counts?.running ?? 0;
}
