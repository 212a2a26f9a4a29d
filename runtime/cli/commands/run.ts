/** `jobyard run <directory|zip>`: runs one job of a package on this machine, as a worker does, without the system. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { TIMEOUT_DEFAULT_MS } from "../../core/limits.ts";
import { type ManifestSetting, declaredSetting, missingSettings } from "../../core/package/manifest-settings.ts";
import type { ArtifactContent } from "../../core/ports/job-files.ts";
import type { ArtifactsDeps } from "../../worker/output/artifacts.ts";
import { keepLocally } from "../../worker/output/keep-locally.ts";
import { findJob } from "../../worker/package-cache/package-cache.ts";
import { checkPlatform, currentPlatform, readManifest, unpackPackage } from "../../worker/package-cache/unpack.ts";
import { hostFile } from "../../worker/process/module/host-bundle.ts";
import { createJobProcesses } from "../../worker/process/job-processes.ts";
import type { ProcessResult } from "../../worker/process/spec.ts";
import type { GivenSettings } from "../../worker/settings/job-settings.ts";
import { createWorkspaces, type Workspace } from "../../worker/process/files/workspace.ts";
import { framesOf } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import { INSPECT_PORT, inspectHints } from "../dev/hints.ts";
import { jsonIn, parametersIn } from "../input.ts";
import { type Surroundings, type Terminal, jsonResult } from "../terminal.ts";

interface RunOptions {
  readonly type?: string;
  readonly parameters?: string;
  readonly settings?: string;
  readonly out?: string;
  /** True: at the usual port. */
  readonly inspect?: number | true;
  readonly json?: true;
}

export async function run(options: RunOptions, around: Surroundings, path: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "jobyard-run-"));
  try {
    await runIn(root, path, options, around);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function runIn(root: string, path: string, options: RunOptions, around: Surroundings): Promise<void> {
  const { terminal, env, signal } = around;
  const given =
    options.parameters === undefined ? undefined : JSON.stringify(await parametersIn(options.parameters, around));
  const zip = await zipOf(path, terminal);
  const workspace = await createWorkspaces({ root }).create();
  const tree = await unpackPackage({ bytes: zip, directory: workspace.packagePath, signal });
  const manifest = await readManifest(workspace.packagePath, tree);
  checkPlatform(manifest, currentPlatform());
  const jobType = options.type ?? onlyType(manifest.jobs.map((job) => job.jobType));
  const job = findJob(manifest, jobType);
  const isTimer = manifest.timers?.some(({ timerName }) => timerName === jobType) ?? false;
  const settings = manifest.settings && localSettings(manifest.settings, await settingsIn(options.settings, around));
  const parameters = given ?? (isTimer ? manualTrigger(new Date()) : "null");
  const inspect = inspectionOf(options, path, manifest.name, around);
  const processes = createJobProcesses({
    inspect,
    root,
    hostEntry: await hostFile(root),
    spares: 0,
    environment: { PATH: env["PATH"] ?? "" },
  });
  try {
    const process = processes.start({
      job: {
        ...{ jobId: "local", batchId: "local", tenantName: "local", claimId: randomUUID(), workerId: "local" },
        ...{ jobName: jobType, jobType, jobProcessorPackageName: manifest.name, parameters },
        ...{ attempt: 1, interruption: 0 },
      },
      entry: job.entry,
      packagePath: workspace.packagePath,
      workspace,
      timeoutMs: job.timeoutMs ?? TIMEOUT_DEFAULT_MS,
      idleTimeoutMs: job.idleTimeoutMs,
      memoryMb: job.memoryMb,
      settings,
      onProgress: ({ fraction, text = "" }) => {
        terminal.error(
          terminal.paint("cyan", `  ${fraction === undefined ? "" : `${Math.round(fraction * 100)}% `}${text}`),
        );
      },
    });
    const stop = (): void => process.cancel("cancel");
    signal.addEventListener("abort", stop, { once: true });
    const decoder = new TextDecoder();
    const writeLog = (text: string): void => (options.json ? terminal.error(text.trimEnd()) : terminal.write(text));
    for await (const chunk of process.log) writeLog(decoder.decode(chunk, { stream: true }));
    const result = await process.result;
    finish(await withArtifacts(result, options, workspace, around), options, terminal);
  } finally {
    await processes.close();
  }
}

const settingsFile = z.record(z.string(), z.string());

async function settingsIn(file: string | undefined, around: Surroundings): Promise<Readonly<Record<string, string>>> {
  if (file === undefined) return {};
  const result = settingsFile.safeParse(await jsonIn(file, around));
  if (result.success) return result.data;
  throw new UsageError(`${file} must be a JSON object of texts, as {"SMTP_HOST":"localhost"}.`);
}

/** Throws UsageError for those that are missing. */
function localSettings(declared: readonly ManifestSetting[], given: Readonly<Record<string, string>>): GivenSettings {
  const missing = missingSettings(declared.map(declaredSetting), new Set(Object.keys(given)));
  if (missing.length > 0) {
    throw new UsageError(`The package needs ${missing.join(", ")}. Give them in a JSON file with --settings.`);
  }
  const found = declared.flatMap(({ name, secret, default: fallback }) => {
    const value = given[name] ?? fallback;
    return value === undefined ? [] : [{ name, value, secret }];
  });
  return {
    values: Object.fromEntries(found.map(({ name, value }) => [name, value])),
    secrets: found.filter(({ secret }) => secret === true).map(({ value }) => value),
    versions: {},
  };
}

/** Checks the job's files as a worker does, and copies them if requested. */
async function withArtifacts(
  result: ProcessResult,
  { out }: RunOptions,
  workspace: Workspace,
  { terminal, signal }: Surroundings,
): Promise<ProcessResult> {
  const taken: string[] = [];
  const put: ArtifactsDeps["put"] = async (_jobId, _claimId, path, content) => {
    if (out === undefined) return;
    const target = join(out, path);
    await mkdir(dirname(target), { recursive: true });
    // Existing files are not overwritten, and no link is followed.
    await writeFile(target, blocksOf(content), { flag: "wx" }).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      taken.push(target);
    });
  };
  const kept = await keepLocally(result, workspace, { put, signal });
  for (const note of kept.notes) terminal.error(note);
  if (taken.length > 0) throw new Error(`${taken.join(", ")}: already exists. Choose another folder with --out.`);
  return kept.result;
}

async function* blocksOf({ bytes, read }: ArtifactContent): AsyncGenerator<Buffer, void> {
  for (let start = 0; start < bytes; start += BLOCK_BYTES)
    yield await read(start, Math.min(BLOCK_BYTES, bytes - start));
}

const BLOCK_BYTES = 4 * 1024 * 1024;

function finish(result: ProcessResult, { json }: RunOptions, terminal: Terminal): void {
  if (json)
    terminal.out(
      jsonResult(result.kind === "succeeded" ? { kind: result.kind, output: outputOf(result) } : result, terminal),
    );
  else terminal.out(describe(result, terminal));
  if (result.kind !== "succeeded") throw new JobsFailedError();
}

const outputOf = ({ output }: { readonly output: string | undefined }): unknown =>
  output === undefined ? undefined : JSON.parse(output);

function describe(result: ProcessResult, { paint }: Terminal): string {
  switch (result.kind) {
    case "succeeded":
      return `${paint("green", "succeeded")}${result.output === undefined ? "" : `  output ${result.output}`}`;
    case "failed":
      return [
        `${paint("red", "failed")}  ${result.code}: ${result.message}${result.retryable ? "" : " (not to be retried)"}`,
        ...framesOf(result, 4),
      ].join("\n");
    case "canceled":
    case "killed":
      return paint("yellow", "canceled");
    case "interrupted":
    case "not-started":
      return `${paint("red", result.kind)}  ${result.message}`;
  }
}

/** For a ZIP it is unknown where its sources are. */
function inspectionOf({ inspect }: RunOptions, path: string, name: string, { terminal }: Surroundings) {
  if (inspect === undefined) return undefined;
  const port = inspect === true ? INSPECT_PORT : inspect;
  for (const line of inspectHints(port)) terminal.error(line);
  return { port, sources: path.endsWith(".zip") ? {} : { [name]: resolve(path) } };
}

async function zipOf(path: string, terminal: Terminal): Promise<Uint8Array> {
  const found = await stat(path).catch(() => {
    throw new UsageError(`${path} does not exist.`);
  });
  if (!found.isDirectory()) return readFile(path);
  // Loaded here, because loading the compiler takes longer than other commands run.
  const { packPackage } = await import("../../package/build/pack.ts");
  const { zip, warnings } = await packPackage({ directory: path, target: currentPlatform() });
  for (const warning of warnings) terminal.error(`Warning: ${warning}`);
  return zip;
}

function onlyType(types: readonly string[]): string {
  const [only, ...others] = types;
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(`Choose the job with --type: ${types.join(", ")}`);
}

/** The parameters of a manual run of a timer. */
const manualTrigger = (now: Date): string =>
  JSON.stringify({ trigger: "manual", scheduledAt: now.toISOString(), missedCount: 0 });
