/**
 * The demo: submits a batch of thumbnails and a year end over HTTP, and copies the results to a folder. Without the
 * sample packages it submits nothing.
 */
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { JobServiceClient, JobSubmission, JobView } from "../../client/index.ts";
import type { PackedPackage } from "../../package/build/pack-folder.ts";
import type { Report } from "./report.ts";

/** The tenant of the demo. */
export const DEMO_TENANT = "demo";
/** Interval of the progress bar. */
const LOOK_EVERY_MS = 200;

/** Publishes packages for the demo's tenant. Their timers run from then on. */
export async function publishPackages(
  packages: readonly PackedPackage[],
  { management }: JobServiceClient,
): Promise<void> {
  await Promise.all(packages.map(({ fileName, zip }) => management.publishPackage(DEMO_TENANT, fileName, zip)));
}

export interface DemoResult {
  readonly batchId: string;
  readonly jobs: readonly JobView[];
  readonly seconds: number;
}

export interface DemoOptions {
  /** At least one. */
  readonly requests: readonly JobSubmission[];
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Called when all jobs have been accepted. */
  readonly onSubmitted: (batchId: string) => Promise<void>;
}

/** One year end and a job for each image, of those samples that are in the folder. */
export async function sampleJobs(samples: string): Promise<readonly JobSubmission[]> {
  const has = (name: string): boolean => existsSync(join(samples, name));
  return [
    ...(has("financial-year-end") ? [yearEnd()] : []),
    ...(has("thumbnails") ? await thumbnails(join(samples, "thumbnails")) : []),
  ];
}

/** Submits, and resolves when every job has ended. */
export async function runDemo(
  client: JobServiceClient,
  { requests, report, signal, onSubmitted }: DemoOptions,
): Promise<DemoResult> {
  const startedAt = performance.now();
  const { management, monitoring } = client;
  const batchId = await management.createBatch({ tenantName: DEMO_TENANT, batchName: "Demo" }, { signal });
  for await (const result of management.submitJobs(requests, batchId, { signal })) {
    // The demo's jobs are valid.
    if ("error" in result) throw new Error(result.error.message);
  }
  await onSubmitted(batchId);
  report.step(`Submitted ${requests.length} jobs as batch ${batchId}`);

  await client.waitForBatch(batchId, {
    signal,
    lookEveryMs: LOOK_EVERY_MS,
    onLook: ({ counts }) => counts && report.progress(counts, requests.length),
  });
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const jobs: JobView[] = [];
  for await (const job of monitoring.getJobsFromBatch(batchId, { signal })) jobs.push(job);
  return { batchId, jobs, seconds };
}

/** Copies all artifacts below the folder, a sub-folder for each job. */
export async function fetchArtifacts(
  { monitoring }: Pick<JobServiceClient, "monitoring">,
  jobs: readonly JobView[],
  directory: string,
): Promise<number> {
  let count = 0;
  for (const { jobId, jobName } of jobs.filter(({ artifactCount }) => artifactCount > 0)) {
    for (const { path } of await monitoring.getArtifacts(jobId)) {
      const { stream } = await monitoring.openArtifact(jobId, path);
      const file = join(directory, jobName, path);
      await mkdir(dirname(file), { recursive: true });
      await pipeline(Readable.fromWeb(stream), createWriteStream(file, { flags: "wx" }));
      count++;
    }
  }
  return count;
}

const yearEnd = (): JobSubmission => ({
  tenantName: DEMO_TENANT,
  jobType: "FinancialYearEnd",
  jobName: "year-end-2025",
  jobProcessorPackageName: "financial-year-end.zip",
  parameters: { year: 2025 },
});

/** There are no books of that year. The failure has a line of source, and other parameters to try. */
const YEAR_WITHOUT_BOOKS = 1999;

/** Submits a job that fails, so that there is one to look at and to run anew. Resolves to its id. */
export const failOnPurpose = ({ management }: JobServiceClient, signal: AbortSignal): Promise<string> =>
  management.submitJob(
    { ...yearEnd(), jobName: `year-end-${YEAR_WITHOUT_BOOKS}`, parameters: { year: YEAR_WITHOUT_BOOKS } },
    undefined,
    { signal },
  );

/** One job for each image in the thumbnails package. */
async function thumbnails(sample: string): Promise<JobSubmission[]> {
  const images = (await readdir(join(sample, "data"))).filter((name) => /\.(jpe?g|png|webp)$/.test(name));
  return images.sort().map((image) => ({
    tenantName: DEMO_TENANT,
    jobType: "Thumbnails",
    jobName: image.replace(/\.\w+$/, ""),
    jobProcessorPackageName: "thumbnails.zip",
    parameters: { image, sizes: [64, 160, 320] },
  }));
}
