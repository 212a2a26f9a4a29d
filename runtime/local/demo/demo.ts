/**
 * What a newcomer watches: the sample packages are packed and published, a batch of thumbnails and a year end are
 * submitted over HTTP, and their results are fetched to a folder.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { JobRequestBody } from "../../core/requests.ts";
import { openOf } from "../../core/states.ts";
import type { JobView } from "../../core/views.ts";
import type { PackedPackage } from "../../packaging/pack-folder.ts";
import type { ApiClient } from "./api-client.ts";
import type { Report } from "./report.ts";

/** The tenant of everything the demo does. */
export const DEMO_TENANT = "demo";
const POLL_MS = 200;

/** For the demo's tenant, whose timers run from then on. */
export async function publishSamples(samples: readonly PackedPackage[], api: ApiClient): Promise<void> {
  await Promise.all(samples.map(({ fileName, zip }) => api.publish(DEMO_TENANT, fileName, zip)));
}

export interface DemoResult {
  readonly batchId: string;
  readonly jobs: readonly JobView[];
  readonly seconds: number;
}

/** Submits, and resolves when every job has ended. */
export async function runDemo(
  api: ApiClient,
  samples: string,
  report: Report,
  signal: AbortSignal,
): Promise<DemoResult> {
  const startedAt = performance.now();
  const requests = [yearEnd(), ...(await thumbnails(samples))];
  const { batchId } = await api.createBatch({ tenantName: DEMO_TENANT, batchName: "Demo" });
  const jobIds = await api.submit(batchId, requests);
  report.step(`Submitted ${jobIds.length} jobs as batch ${batchId}`);

  for (;;) {
    signal.throwIfAborted();
    const { counts } = await api.batch(batchId);
    if (counts === undefined) throw new Error("The API left the counts of the batch out.");
    report.progress(counts, jobIds.length);
    if (counts.total >= jobIds.length && openOf(counts) === 0) break;
    await wait(POLL_MS, undefined, { signal });
  }
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  return { batchId, jobs: await api.jobs(batchId), seconds };
}

/** Copies all artifacts below the folder, a sub-folder for each job. */
export async function fetchArtifacts(api: ApiClient, jobs: readonly JobView[], directory: string): Promise<number> {
  let count = 0;
  for (const job of jobs.filter(({ artifactCount }) => artifactCount > 0)) {
    for (const { path } of await api.artifacts(job.jobId)) {
      await api.download(job.jobId, path, join(directory, job.jobName, path));
      count++;
    }
  }
  return count;
}

const yearEnd = (): JobRequestBody => ({
  tenantName: DEMO_TENANT,
  jobType: "FinancialYearEnd",
  jobName: "year-end-2025",
  jobProcessorPackageName: "financial-year-end.zip",
  parameters: { year: 2025 },
});

/** One job for each image the thumbnails package brings along. */
async function thumbnails(samples: string): Promise<JobRequestBody[]> {
  const images = (await readdir(join(samples, "thumbnails", "data"))).filter((name) =>
    /\.(jpe?g|png|webp)$/.test(name),
  );
  return images.sort().map((image) => ({
    tenantName: DEMO_TENANT,
    jobType: "Thumbnails",
    jobName: image.replace(/\.\w+$/, ""),
    jobProcessorPackageName: "thumbnails.zip",
    parameters: { image, sizes: [64, 160, 320] },
  }));
}
