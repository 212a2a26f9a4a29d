/**
 * An idle system: one job at a time, the next one some time after the last has ended. User code tells when it ran, by a
 * clock that all processes share; the client notes when an event tells it of the end, and when `waitForJob` returns.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Stack } from "../runtime/local/stack.ts";
import { type Isolation, ISOLATIONS, jobOf, prepare, submitOne, TENANT, withStack } from "./stack.ts";
import { type Options, type Report, reportTimes, scaled, sharedNow } from "./suite.ts";

const SLOTS = 4;
/** Compiles code, opens links, fills caches. */
const WARM_UP_JOBS = 15;
/** After a job has ended, so that the system is idle again. */
const IDLE_MS = 25;
/** An event that has not come by then is lost. */
const EVENT_WITHIN_MS = 20_000;

export const run = (report: Report, options: Options): Promise<void> =>
  withStack({ workers: 1, slots: SLOTS }, async (stack) => {
    for (const isolation of ISOLATIONS) await measureLatency(stack, isolation, report, options);
  });

/** `process` jobs take longer and vary less. */
const JOBS = { reuse: 150, process: 60, waitForJob: 40 };

async function measureLatency(
  stack: Stack,
  isolation: Isolation,
  report: Report,
  options: Pick<Options, "share">,
): Promise<void> {
  const { client, call } = await prepare(stack);
  const ends = new Map<string, { readonly at: Promise<number>; readonly tell: (at: number) => void }>();
  const endOf = (jobId: string) => {
    const { promise: at, resolve: tell } = Promise.withResolvers<number>();
    const end = ends.get(jobId) ?? { at, tell };
    ends.set(jobId, end);
    return end;
  };
  client.notifications.on("jobCompleted", ({ jobId }) => endOf(jobId).tell(sharedNow()));
  await client.notifications.subscribeToTenant(TENANT);

  const job = jobOf("Stamp", isolation);
  const samples: {
    readonly jobId: string;
    readonly sentAt: number;
    readonly acceptedAt: number;
    readonly knownAt: number;
  }[] = [];
  const count = scaled(JOBS[isolation], options);
  for (let i = 0; i < WARM_UP_JOBS + count; i++) {
    const sentAt = sharedNow();
    const jobId = await submitOne(call, job);
    const acceptedAt = sharedNow();
    const knownAt = await inTime(endOf(jobId).at, `No event told of the end of ${jobId}.`);
    if (i >= WARM_UP_JOBS) samples.push({ jobId, sentAt, acceptedAt, knownAt });
    await pause(IDLE_MS);
  }
  const started: number[] = [];
  for (const { jobId, sentAt } of samples) {
    const { output } = await client.monitoring.getJob(jobId);
    started.push(Number(output) - sentAt);
  }
  reportTimes(report, `${isolation}: submit until user code runs`, started);
  reportTimes(
    report,
    `${isolation}: submit until its answer`,
    samples.map(({ sentAt, acceptedAt }) => acceptedAt - sentAt),
  );
  reportTimes(
    report,
    `${isolation}: submit until the client knows by push`,
    samples.map(({ sentAt, knownAt }) => knownAt - sentAt),
  );

  const waited: number[] = [];
  for (let i = 0; i < scaled(JOBS.waitForJob, options); i++) {
    const sentAt = sharedNow();
    await client.waitForJob(await client.management.submitJob(job));
    waited.push(sharedNow() - sentAt);
    await pause(IDLE_MS);
  }
  reportTimes(report, `${isolation}: submit until waitForJob returns`, waited);
  client.notifications.disconnect();
}

async function inTime<T>(result: Promise<T>, otherwise: string): Promise<T> {
  const end = new AbortController();
  const late = pause(EVENT_WITHIN_MS, undefined, { signal: end.signal }).then(
    () => Promise.reject(new Error(otherwise)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([result, late]);
  } finally {
    end.abort();
  }
}
