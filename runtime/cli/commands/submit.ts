/** `jobyard submit`: submits one job from options or a file, or many from lines of JSON. */
import type { OnConflict } from "../../core/job/unique.ts";
import { open } from "node:fs/promises";
import { linesOf, TOO_LONG, type Line } from "../../core/lines.ts";
import { messageOf } from "../../core/errors.ts";
import { SUBMIT_LINE_MAX_BYTES } from "../../core/limits.ts";
import { decodeUtf8 } from "../../core/json.ts";
import type { Priority } from "../../core/job/priority.ts";
import type { JobServiceClient, SubmitJobBody } from "../../client/index.ts";
import { connect, counted, LONG, show, tenantOf, type RemoteOptions } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import { jsonIn, parametersIn, startIn, type StartOptions, unreadable } from "../input.ts";
import { type Surroundings, jsonResult } from "../terminal.ts";
import { watchBatch, watchJob } from "../watching.ts";

interface SubmitOptions extends RemoteOptions, StartOptions {
  readonly type?: string;
  readonly package?: string;
  readonly name?: string;
  readonly tenant?: string;
  readonly parameters?: string;
  readonly priority?: Priority;
  readonly id?: string;
  readonly batch?: string;
  readonly newBatch?: string;
  readonly file?: string;
  readonly lines?: string;
  readonly concurrencyKey?: string;
  readonly publishLater?: true;
  readonly uniqueKey?: string;
  readonly onConflict?: OnConflict;
  readonly wait?: true;
  readonly tag?: readonly string[];
}

export async function submit(options: SubmitOptions, around: Surroundings): Promise<void> {
  if ([options.type, options.file, options.lines].filter((one) => one !== undefined).length !== 1)
    throw new UsageError("Nothing to submit. Use --type and --package, or --file, or --lines.");
  if (options.batch !== undefined && options.newBatch !== undefined)
    throw new UsageError("--batch and --new-batch exclude each other.");
  const ofOne = ONLY_FROM_OPTIONS.filter((name) => options[name] !== undefined).map(flagOf);
  if (options.type === undefined && ofOne.length > 0) {
    const where = options.file === undefined ? "lines" : "file";
    throw new UsageError(`${ofOne.join(", ")}: only with --type. The ${where} already contains the job.`);
  }
  if (options.tag !== undefined && options.type === undefined && options.newBatch === undefined)
    throw new UsageError("--tag: only with --type or --new-batch. The jobs of a file or of lines have their own tags.");
  const start = startIn(options);
  if (options.onConflict !== undefined && options.uniqueKey === undefined)
    throw new UsageError("--on-conflict needs --unique-key.");
  if (options.lines !== undefined) await submitLines(options, options.lines, around);
  else await submitOne(options, start, around);
}

interface ResubmitOptions extends RemoteOptions {
  readonly parameters?: string;
  readonly wait?: true;
}

/** Submits a job again as a new one. */
export async function resubmit(options: ResubmitOptions, around: Surroundings, origin: string): Promise<void> {
  const { terminal, signal } = around;
  const changes =
    options.parameters === undefined ? {} : { parameters: await parametersIn(options.parameters, around) };
  const client = await connect(options, around);
  const jobId = await client.management.resubmitJob(origin, changes, { signal });
  if (options.wait) await watchJob(client, jobId, options, around);
  else show(terminal, options, { jobId }, () => jobId);
}

/** Options of a job that is built from options. */
const ONLY_FROM_OPTIONS = [
  "package",
  "name",
  "parameters",
  "delay",
  "at",
  "id",
  "concurrencyKey",
  "publishLater",
  "uniqueKey",
  "onConflict",
] as const;

/** `--publish-later` of `publishLater`. */
const flagOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

async function submitOne(
  options: SubmitOptions,
  start: ReturnType<typeof startIn>,
  around: Surroundings,
): Promise<void> {
  const { terminal, signal } = around;
  const given = options.file === undefined ? undefined : ((await jsonIn(options.file, around)) as SubmitJobBody);
  const client = await connect(options, around);
  const job = given ?? { ...(await jobOf(options, client, around)), ...start };
  const batchId = await batchOf(options, client, job.tenantName, around);
  const jobId = await client.management.submitJob(job, batchId, { signal });
  if (options.wait) {
    await watchJob(client, jobId, options, around);
    return;
  }
  show(terminal, options, { jobId, ...(batchId !== undefined && { batchId }) }, () => jobId);
}

async function jobOf(options: SubmitOptions, client: JobServiceClient, around: Surroundings): Promise<SubmitJobBody> {
  const { type: jobType = "", package: jobProcessorPackageName } = options;
  if (jobProcessorPackageName === undefined) throw new UsageError("Set the package with --package.");
  const parameters = options.parameters === undefined ? undefined : await parametersIn(options.parameters, around);
  return {
    tenantName: await tenantOf(client, options.tenant, around),
    jobType,
    jobName: options.name ?? jobType,
    jobProcessorPackageName,
    ...(parameters !== undefined && { parameters }),
    ...(options.priority !== undefined && { priority: options.priority }),
    ...(options.id !== undefined && { clientJobId: options.id }),
    ...(options.tag && options.newBatch === undefined && { tags: [...options.tag] }),
    ...(options.concurrencyKey !== undefined && { concurrencyKey: options.concurrencyKey }),
    ...(options.publishLater && { publishLater: true }),
    ...(options.uniqueKey !== undefined && {
      unique: {
        key: options.uniqueKey,
        ...(options.onConflict !== undefined && { onConflict: options.onConflict }),
      },
    }),
  };
}

async function submitLines(options: SubmitOptions, file: string, around: Surroundings): Promise<void> {
  const { terminal, signal, input } = around;
  const source = file === "-" ? input : await streamOf(file);
  const client = await connect(options, around, LONG);
  const batchId = await batchOf(options, client, options.tenant, around);
  if (options.wait && batchId === undefined)
    throw new UsageError("--wait for many jobs needs a batch: use --new-batch or --batch.");
  let submitted = 0;
  const refused: { readonly line: number; readonly code: string; readonly message: string }[] = [];
  // Counts lines as in the file, including empty ones.
  const lineNumbers: number[] = [];
  function refuse(line: number, error: { readonly code: string; readonly message: string }): void {
    refused.push({ line, ...error });
    terminal.error(`Line ${line}: ${error.message} (${error.code})`);
  }
  async function* lines(): AsyncGenerator<string> {
    let number = 0;
    for await (const bytes of linesOf(bytesOf(source), SUBMIT_LINE_MAX_BYTES)) {
      number++;
      const line = textOf(bytes);
      if (typeof line !== "string") {
        // All other lines would be refused too.
        if (line.message.includes("UTF-16")) throw new UsageError(`${file}, ${line.message}`);
        refuse(number, line);
      } else if (line.trim() !== "") {
        lineNumbers.push(number);
        yield line;
      }
    }
  }
  for await (const result of client.management.submitJobs(lines(), batchId, { signal })) {
    if ("jobId" in result) {
      submitted++;
      if (!options.json && !options.wait) terminal.out(result.jobId);
      continue;
    }
    refuse(lineNumbers[result.index] ?? 0, result.error);
  }
  refused.sort((a, b) => a.line - b.line);
  if (options.wait && batchId !== undefined && submitted > 0) await watchBatch(client, batchId, options, around);
  else {
    const result = { submitted, refused, ...(batchId !== undefined && { batchId }) };
    if (options.json) terminal.out(jsonResult(result, terminal));
    else
      terminal.error(
        `${counted(submitted, "job")} submitted, ${refused.length} refused${batchId ? `, in batch ${batchId}` : ""}`,
      );
  }
  if (refused.length > 0) throw new JobsFailedError();
}

/** The service's error for a line that cannot be sent as text. */
function textOf(line: Line): string | { readonly code: string; readonly message: string } {
  if (line === TOO_LONG)
    return { code: "PayloadTooLarge", message: `line: must have at most ${SUBMIT_LINE_MAX_BYTES} bytes` };
  try {
    return decodeUtf8(line);
  } catch (error) {
    return { code: "InvalidRequest", message: `line: ${messageOf(error)}` };
  }
}
const streamOf = async (file: string): Promise<NodeJS.ReadableStream> => {
  const handle = await open(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  return handle.createReadStream();
};

async function batchOf(
  { batch, newBatch, tenant, priority, tag }: SubmitOptions,
  client: JobServiceClient,
  ofJob: string | undefined,
  around: Surroundings,
): Promise<string | undefined> {
  if (newBatch === undefined) return batch;
  const tenantName = await tenantOf(client, tenant ?? ofJob, around);
  const fields = {
    tenantName,
    batchName: newBatch,
    ...(priority !== undefined && { priority }),
    ...(tag && { tags: [...tag] }),
  };
  return client.management.createBatch(fields, { signal: around.signal });
}

async function* bytesOf(stream: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) yield Buffer.from(chunk);
}
