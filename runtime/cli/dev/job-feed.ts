/**
 * Follows the jobs of some packages: their states, their logs as they grow, and where they failed. Events can be lost in a
 * break of the connection; then the end of a job is not told.
 */
import type { JobEvents, JobServiceClient, JobView } from "../../client/index.ts";
import { isTimerBatch } from "../../core/job/ids.ts";
import type { DevEvent } from "./dev-event.ts";

export interface JobFeedDeps {
  readonly client: JobServiceClient;
  readonly tenantName: string;
  /** The folder of a package by its name; undefined: jobs of this package are not followed. */
  readonly folderOf: (packageName: string) => string | undefined;
  /** Whether a package that is followed has this job type. */
  readonly hasType: (jobType: string) => boolean;
  readonly tell: (event: DevEvent) => void;
  /** An error of the connection. */
  readonly onProblem: (error: unknown) => void;
}

export interface JobFeed {
  /** The latest one that someone has submitted; else the latest run of a timer. */
  readonly latest: JobView | undefined;
  close(): void;
}

type JobEvent = JobEvents[keyof JobEvents & `job${string}`];

interface FollowedJob {
  /** Its row when it was first heard of; undefined: it belongs to another package. */
  readonly first: Promise<{ readonly view: JobView; readonly folder: string } | undefined>;
  /** Events of one job are handled one after the other. */
  tail: Promise<void>;
  log: FollowedLog | undefined;
}

interface FollowedLog {
  /** Resolves when all that the attempt has written is told. */
  finish(): Promise<void>;
}

/** More jobs at a time are told by their ends only. */
const FOLLOWED_MAX = 8;
const NAMES = ["jobQueued", "jobStarted", "jobProgressed", "jobRetrying", "jobCompleted"] as const;
const LOG_LINE = /^\S+ (out|err|log|sys) (.*)$/;

/** Resolves when later events are told. */
export async function followJobs(deps: JobFeedDeps): Promise<JobFeed> {
  const { client, tell, onProblem } = deps;
  const { monitoring, notifications } = client;
  const jobs = new Map<string, FollowedJob>();
  const closing = new AbortController();
  let submitted: JobView | undefined;
  let ran: JobView | undefined;

  async function lookUp({ jobId }: JobEvent): Promise<Awaited<FollowedJob["first"]>> {
    const view = await monitoring.getJob(jobId, { signal: closing.signal });
    const folder = deps.folderOf(view.jobProcessorPackageName);
    if (folder === undefined) return undefined;
    if (isTimerBatch(view.batchId)) ran = view;
    // Jobs of one moment can be looked up in another order.
    else if (submitted === undefined || view.submittedAt >= submitted.submittedAt) submitted = view;
    return { view, folder };
  }

  function onEvent(event: JobEvent): void {
    if (!deps.hasType(event.jobType)) return;
    let job = jobs.get(event.jobId);
    if (job === undefined) {
      job = { first: lookUp(event), tail: Promise.resolve(), log: undefined };
      job.first.catch(() => undefined);
      jobs.set(event.jobId, job);
    }
    const followed = job;
    job.tail = job.tail
      .then(() => handle(event, followed))
      .catch((error: unknown) => {
        if (!closing.signal.aborted) onProblem(error);
      });
    if (event.eventType === "jobCompleted") void job.tail.then(() => jobs.delete(event.jobId));
  }

  async function handle(event: JobEvent, job: FollowedJob): Promise<void> {
    const first = await job.first;
    if (first === undefined) return;
    const { folder } = first;
    const others = (): number => [...jobs.values()].filter((other) => other.log !== undefined && other !== job).length;
    const about = { folder, isOneOfMany: others() > 0 };
    switch (event.eventType) {
      case "jobQueued":
      case "jobProgressed":
        if (event.eventType === "jobProgressed" && job.log === undefined) return;
        tell({ eventType: "job", event, ...about });
        return;
      case "jobStarted":
        await job.log?.finish();
        if (others() >= FOLLOWED_MAX) return;
        tell({ eventType: "job", event, ...about });
        job.log = followLog(event, folder);
        return;
      case "jobRetrying":
      case "jobCompleted": {
        await job.log?.finish();
        job.log = undefined;
        const view = await monitoring.getJob(event.jobId, { signal: closing.signal });
        tell({ eventType: "job", event, ...about, job: view });
      }
    }
  }

  function followLog({ jobId, jobType, jobName, execution }: JobEvents["jobStarted"], folder: string): FollowedLog {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, closing.signal]);
    let seen = 0;
    let rest = "";

    function take(text: string): void {
      seen += text.length;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, source = "out", content = line] = LOG_LINE.exec(line) ?? [];
        const isOneOfMany = [...jobs.values()].filter(({ log }) => log !== undefined).length > 1;
        tell({ eventType: "jobLog", jobId, jobType, jobName, folder, isOneOfMany, source, text: content });
      }
    }

    async function follow(): Promise<void> {
      try {
        for await (const text of monitoring.followLog(jobId, { execution, signal })) {
          // What came with the end is read as a whole.
          if (stop.signal.aborted) return;
          take(text);
        }
      } catch (error) {
        if (!signal.aborted) onProblem(error);
      }
    }

    const following = follow();
    return {
      async finish() {
        // Following learns of the end a moment later than its event comes.
        stop.abort();
        await following;
        const whole = await monitoring.getLog(jobId, { execution, signal: closing.signal });
        take(whole.slice(seen));
        if (rest !== "") take("\n");
      },
    };
  }

  const off = NAMES.map((name) => notifications.on(name, onEvent));
  const offMissed = notifications.on("missed", () => onProblem(new Error("Some events of jobs are missing.")));
  await notifications.subscribeToTenant(deps.tenantName);
  return {
    get latest() {
      return submitted ?? ran;
    },
    close() {
      for (const end of [...off, offMissed]) end();
      closing.abort();
      notifications.disconnect();
    },
  };
}
