/** What holds back a queued job, for people. */
import type { Job } from "../../core/job/job.ts";
import type { LineStore } from "../../core/ports/line-store.ts";
import type { Clock } from "../../core/clock.ts";
import { rateLineOf } from "./pass-limits.ts";
import { type RunningLimitOf, lineOfJob } from "./wake-line.ts";
import { tenantLine } from "../../core/admission/limit.ts";

export interface WaitsForDeps {
  readonly lines: Pick<LineStore, "placeOf" | "read">;
  readonly runningLimitOf?: RunningLimitOf | undefined;
  readonly now: Clock["now"];
}

/** Such as `limit: concurrency, key 7`. Undefined: no limit, as far as the tables say; it may wait for a worker. Throws UnavailableError. */
export async function waitsFor(job: Job, { lines, runningLimitOf, now }: WaitsForDeps): Promise<string | undefined> {
  if (job.state !== "queued") return undefined;
  const quota = runningLimitOf?.(job.tenantName);
  if (quota !== undefined) {
    // It comes last: a job with a place there waits for nothing else.
    const place = await lines.placeOf(tenantLine(job.tenantName), job.jobId, job.ring);
    if (place?.waits === true) return `quota: ${quota} jobs of ${job.tenantName} running at once`;
  }
  const line = lineOfJob(job);
  const place = line && (await lines.placeOf(line, job.jobId, job.ring));
  if (line !== undefined && place?.waits === true) return `limit: concurrency, key ${line.key}`;
  if (job.rateKey === undefined) return undefined;
  const { head } = await lines.read(rateLineOf(job, job.rateKey), 0);
  const until = head?.value.taken.at(-1)?.[0];
  if (until === undefined || until <= now().getTime()) return undefined;
  return `limit: rate, key ${job.rateKey}, times are taken until ${new Date(until).toISOString()}`;
}
