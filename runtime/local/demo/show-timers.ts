/** What a newcomer sees of timers: which there are and when they run next, and then each run as it ends. */
import type { JobServiceClient } from "../../client/index.ts";
import { isTimerBatch } from "../../core/ids.ts";
import { DEMO_TENANT } from "./demo.ts";
import type { Report } from "./report.ts";

export async function announceTimers({ timers }: JobServiceClient, report: Report): Promise<void> {
  const lines: string[] = [];
  for await (const { timerName, next } of timers.list(DEMO_TENANT)) {
    lines.push(next === undefined ? timerName : `${timerName} at ${clock(new Date(next))}`);
  }
  report.step(`Timers run by themselves, next ${lines.join(", ")}`);
}

/** Until the client's notifications are disconnected. Events are news: a run whose event is lost is not shown. */
export async function showTimerRuns({ notifications }: JobServiceClient, report: Report): Promise<void> {
  notifications.on("jobCompleted", ({ jobName, batchId, status, at, failure }) => {
    if (!isTimerBatch(batchId)) return;
    const why = failure === undefined ? "" : `: ${failure.message}`;
    const text = `${clock(new Date(at))} timer ${jobName} ${status}${why}`;
    if (status === "succeeded") report.step(text);
    else report.notice(text);
  });
  await notifications.subscribeToTenant(DEMO_TENANT);
}

/** As on the wall here. */
const clock = (instant: Date): string => instant.toLocaleTimeString("en-GB");
