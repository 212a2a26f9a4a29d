/**
 * The output while `npm start` runs: each job as it ends, and changes of timers. If the event of an end is lost, the end
 * is not shown.
 */
import type { JobEvents, JobServiceClient } from "../../client/index.ts";
import { isTimerBatch } from "../../core/job/ids.ts";
import { openOf, type TerminalState } from "../../core/job/states.ts";
import type { JobView } from "../../core/http/views.ts";
import type { Report } from "./report.ts";

type Ended = JobEvents["jobCompleted"];

/** More ends than this in one window are counted, not listed. */
const LISTED_MAX = 10;
const WINDOW_MS = 1_000;
/** Includes tenants that are created while it runs. */
const LOOK_FOR_TENANTS_MS = 15_000;

export async function announceTimers({ timers }: JobServiceClient, tenantName: string, report: Report): Promise<void> {
  const lines: string[] = [];
  for await (const { timerName, next } of timers.list(tenantName)) {
    lines.push(next === undefined ? timerName : `${timerName} at ${clock(new Date(next))}`);
  }
  if (lines.length > 0) report.step(`Timers run by themselves, next ${lines.join(", ")}`);
}

/** Decides which ends are shown, and how. `afterWindow` calls its function at the end of a window. */
export function createEndings(report: Report, afterWindow: (then: () => void) => void): (ended: Ended) => void {
  const lastOfTimer = new Map<string, TerminalState>();
  let listed = 0;
  const unlisted = new Map<TerminalState, number>();

  function closeWindow(): void {
    const counts = [...unlisted].map(([status, count]) => `${count} ${status}`);
    const text = `More jobs have ended: ${counts.join(", ")}`;
    if ([...unlisted.keys()].some((status) => status !== "succeeded")) report.notice(text);
    else if (counts.length > 0) report.step(text);
    listed = 0;
    unlisted.clear();
  }

  return (ended) => {
    const { tenantName, jobType, jobName, batchId, status } = ended;
    const isTimer = isTimerBatch(batchId);
    if (isTimer) {
      const timer = `${tenantName}/${jobName}`;
      if (lastOfTimer.get(timer) === status) return;
      lastOfTimer.set(timer, status);
    }
    if (listed === 0 && unlisted.size === 0) afterWindow(closeWindow);
    if (listed === LISTED_MAX) {
      unlisted.set(status, (unlisted.get(status) ?? 0) + 1);
      return;
    }
    listed++;
    const what = isTimer ? `timer ${jobName}` : `${jobType} ${jobName}`;
    const text = `${clock(new Date(ended.at))} ${what} ${status}${whyOf(ended)}`;
    if (status === "succeeded")
      report.step(isTimer ? `${text}; later runs are shown only if the result changes` : text);
    else report.notice(text);
  };
}

const whyOf = ({ failure, jobId }: Ended): string =>
  failure === undefined ? "" : `: ${failure.code}: ${failure.message}\nSee: npx --no jobyard logs ${jobId}`;

/**
 * For every tenant, until the process ends, so that jobs that end after Ctrl-C are shown too. After the signal, it does
 * not look for new tenants. `client` may read all of them.
 */
export async function showJobs(client: JobServiceClient, report: Report, signal: AbortSignal): Promise<void> {
  const { monitoring, notifications } = client;
  notifications.on(
    "jobCompleted",
    createEndings(report, (then) => setTimeout(then, WINDOW_MS)),
  );
  const known = new Set<string>();
  const followNew = async (): Promise<void> => {
    for await (const { tenantName } of monitoring.getTenants({ signal })) {
      if (known.has(tenantName)) continue;
      await notifications.subscribeToTenant(tenantName);
      known.add(tenantName);
    }
  };
  await followNew();
  const again = (): void => {
    // The API may be restarting. The next check finds the same tenants.
    followNew().catch(() => undefined);
  };
  const timer = setInterval(again, LOOK_FOR_TENANTS_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/** The running jobs, from their rows. `client` may read every tenant. */
export async function runningJobs(
  { monitoring }: Pick<JobServiceClient, "monitoring">,
  signal: AbortSignal,
): Promise<readonly JobView[]> {
  const running: JobView[] = [];
  for await (const { tenantName } of monitoring.getTenants({ signal })) {
    // Running jobs are almost always in one of the newest batches. One page keeps this short.
    for await (const { items } of monitoring.getBatches(tenantName, { signal }).pages()) {
      const open = items.filter(({ counts }) => counts === undefined || openOf(counts) > 0);
      for (const { batchId } of open) {
        for await (const job of monitoring.getJobsFromBatch(batchId, { state: "running", signal })) running.push(job);
      }
      break;
    }
  }
  return running;
}

/** Local time of day. */
const clock = (instant: Date): string => instant.toLocaleTimeString("en-GB");
