/** `jobyard submit`: one job from options or a file, or any number as lines of JSON. */
import { createReadStream } from "node:fs";
import { type Command, Option } from "commander";
import { linesOf, TOO_LONG, type Line } from "../../api/lines.ts";
import { messageOf } from "../../core/errors.ts";
import { SUBMIT_LINE_MAX_BYTES } from "../../core/limits.ts";
import { decodeUtf8 } from "../../core/parse-json.ts";
import { PRIORITIES, type Priority } from "../../core/priority.ts";
import type { JobServiceClient, SubmitJobBody } from "../../client/index.ts";
import { connect, remoteCommand, show, tenantOf, wholeNumber, type RemoteOptions } from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import { jsonIn, parametersIn } from "../json-input.ts";
import { jsonLine } from "../json-line.ts";
import type { Surroundings } from "../terminal.ts";
import { watchBatch, watchJob } from "../watching.ts";

interface SubmitOptions extends RemoteOptions {
  readonly type?: string;
  readonly package?: string;
  readonly name?: string;
  readonly tenant?: string;
  readonly parameters?: string;
  readonly priority?: Priority;
  readonly delay?: number;
  readonly id?: string;
  readonly batch?: string;
  readonly newBatch?: string;
  readonly file?: string;
  readonly lines?: string;
  readonly publishLater?: true;
  readonly wait?: true;
}

export const submitCommand = (around: Surroundings): Command =>
  remoteCommand("submit", "Submit a job, or many.", [
    `submit --type Greetings --package greetings.zip --parameters '{"name":"world"}' --wait`,
    "submit --file job.json --batch <batchId>",
    `submit --lines jobs.ndjson --new-batch "Year end" --wait`,
    "… | jobyard submit --lines - --batch <batchId> --json",
  ])
    .option("--type <jobType>", "what to run, as the package declares it")
    .option("--package <name.zip>", "the package that holds it")
    .option("--name <text>", "for people (default: the job type)")
    .option("-t, --tenant <name>", "whose job (default: your only tenant)")
    .option("-p, --parameters <json>", "any JSON, or @file")
    .addOption(new Option("--priority <priority>", "default: the batch's").choices(PRIORITIES))
    .option("--delay <seconds>", "not to be started before", wholeNumber(0, 366 * 24 * 60 * 60))
    .option("--id <text>", "your own id for it: submitted again, the first job is answered")
    .option("-b, --batch <batchId>", "default: the tenant's batch of the day")
    .option("--new-batch <name>", "make a batch for it first")
    .option("--publish-later", "accept it although the package or its job type is not published yet")
    .option("-f, --file <file>", "one job as JSON, as the API takes it; - is standard input")
    .option("--lines <file>", "a job in each line; - is standard input")
    .option("-w, --wait", "until it has ended; exit code 5 unless all succeeded")
    .action((options: SubmitOptions) => submit(options, around));

async function submit(options: SubmitOptions, around: Surroundings): Promise<void> {
  if ([options.type, options.file, options.lines].filter((one) => one !== undefined).length !== 1)
    throw new UsageError("Say what to submit: --type and --package, or --file, or --lines.");
  if (options.batch !== undefined && options.newBatch !== undefined)
    throw new UsageError("--batch and --new-batch exclude each other.");
  if (options.lines !== undefined) await submitLines(options, options.lines, around);
  else await submitOne(options, around);
}

async function submitOne(options: SubmitOptions, around: Surroundings): Promise<void> {
  const { terminal, signal } = around;
  const given = options.file === undefined ? undefined : ((await jsonIn(options.file, around)) as SubmitJobBody);
  const client = await connect(options, around);
  const job = given ?? (await jobOf(options, client, around));
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
  if (jobProcessorPackageName === undefined) throw new UsageError("Name the package with --package.");
  const parameters = options.parameters === undefined ? undefined : await parametersIn(options.parameters, around);
  return {
    tenantName: await tenantOf(client, options.tenant, around),
    jobType,
    jobName: options.name ?? jobType,
    jobProcessorPackageName,
    ...(parameters !== undefined && { parameters }),
    ...(options.priority !== undefined && { priority: options.priority }),
    ...(options.delay !== undefined && { delayMs: options.delay * 1_000 }),
    ...(options.id !== undefined && { clientJobId: options.id }),
    ...(options.publishLater && { publishLater: true }),
  };
}

async function submitLines(options: SubmitOptions, file: string, around: Surroundings): Promise<void> {
  const { terminal, signal, input } = around;
  const source = file === "-" ? input : createReadStream(file);
  const client = await connect(options, around);
  const batchId = await batchOf(options, client, options.tenant, around);
  if (options.wait && batchId === undefined)
    throw new UsageError("To wait for many jobs give them a batch: --new-batch or --batch.");
  let submitted = 0;
  const refused: { readonly line: number; readonly code: string; readonly message: string }[] = [];
  // Lines are counted as they stand in the file, empty ones too.
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
        // All others would be refused, too.
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
    if (options.json) terminal.out(jsonLine(result));
    else terminal.error(`${submitted} submitted, ${refused.length} refused${batchId ? `, in batch ${batchId}` : ""}`);
  }
  if (refused.length > 0) throw new JobsFailedError();
}

/** What the service would say of a line that cannot be sent as text. */
function textOf(line: Line): string | { readonly code: string; readonly message: string } {
  if (line === TOO_LONG)
    return { code: "PayloadTooLarge", message: `line: must have at most ${SUBMIT_LINE_MAX_BYTES} bytes` };
  try {
    return decodeUtf8(line);
  } catch (error) {
    return { code: "InvalidRequest", message: `line: ${messageOf(error)}` };
  }
}

async function batchOf(
  { batch, newBatch, tenant, priority }: SubmitOptions,
  client: JobServiceClient,
  ofJob: string | undefined,
  around: Surroundings,
): Promise<string | undefined> {
  if (newBatch === undefined) return batch;
  const tenantName = await tenantOf(client, tenant ?? ofJob, around);
  const fields = { tenantName, batchName: newBatch, ...(priority !== undefined && { priority }) };
  return client.management.createBatch(fields, { signal: around.signal });
}

async function* bytesOf(stream: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) yield Buffer.from(chunk);
}
