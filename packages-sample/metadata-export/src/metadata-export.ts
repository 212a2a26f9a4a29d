/** Writes the metadata of all documents to a Parquet file every minute. The file is an artifact of the run. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TimerContext, scalableTimerJob } from "jobyard/job";
import { metadataTable } from "./metadata-table.ts";
import type { Services } from "./setup.ts";

export default scalableTimerJob(
  {
    cron: "0 * * * * *",
    timeZone: "Europe/Vienna",
    // The newest export contains all data of earlier ones, so one run replaces all missed ones.
    misfire: "once",
    overlap: "skip",
    runOnDeploy: true,
    timeoutMs: 5 * 60_000,
  },
  async ({ services, timer, outputPath, tenantName, progress, log, signal }: TimerContext<Services>) => {
    if (timer.missedCount > 0) log(`${timer.missedCount} exports before this one were missed.`);
    progress("Collecting");
    const { documents, refused } = await services.catalog.collect(signal);
    for (const { file, reason } of refused) log(`${file} has no valid metadata: ${reason}`);
    if (documents.length === 0) throw new Error("There are no documents to export.");

    progress(0.5, `Writing ${documents.length} rows`);
    const table = metadataTable(documents, {
      exportedAt: timer.scheduledAt,
      environment: { tenant: tenantName, trigger: timer.trigger, node: process.version, platform: process.platform },
    });
    // Named by the due time, so that another attempt of the run writes the same file.
    const file = `metadata-${timer.scheduledAt.toISOString().slice(0, 19).replaceAll(":", "-")}Z.parquet`;
    await writeFile(join(outputPath, file), table, { signal });
    return { output: { file, rows: documents.length, bytes: table.length, refused: refused.length } };
  },
);
