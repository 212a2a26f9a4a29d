/** `jobyard events [id]`: prints a line for each event of a job, a batch or a tenant, as it happens. */
import type { EventSelection, JobServiceClient, JobServiceError } from "../../client/index.ts";
import type { SystemEvent } from "../../core/job/events.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { isTerminal } from "../../core/job/states.ts";
import { connect, showInstant, showState, tenantOf } from "../command.ts";
import { type Surroundings, type Terminal, jsonLine } from "../terminal.ts";

interface EventsOptions {
  readonly url?: string;
  readonly json?: true;
  readonly tenant?: string;
  readonly count?: number;
}

export async function events(options: EventsOptions, around: Surroundings, id: string | undefined): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const selection = await selectionOf(id, options, client, around);
  const end = Promise.withResolvers<undefined>();
  let left = options.count ?? Infinity;
  const onEvent = (event: SystemEvent): void => {
    if (left <= 0) return;
    terminal.out(options.json ? jsonLine(event) : describe(event, terminal));
    if (--left <= 0 || isLast(event, selection)) {
      left = 0;
      end.resolve(undefined);
    }
  };
  for (const name of NAMES) client.notifications.on(name, onEvent);
  client.notifications.on("missed", () =>
    terminal.error("The connection was lost for too long. Some events are missing."),
  );
  client.notifications.on("subscriptionEnded", ({ error }: { readonly error: JobServiceError }) => end.reject(error));
  const stop = (): void => end.reject(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  // If it is rejected while subscribing, the error is handled below.
  end.promise.catch(() => undefined);
  try {
    await Promise.race([subscribe(client, selection), end.promise]);
    terminal.error(`Following ${id ?? `tenant ${selection.tenantName}`} …`);
    if (!(await hasEnded(client, selection, signal))) await end.promise;
  } finally {
    signal.removeEventListener("abort", stop);
    client.notifications.disconnect();
  }
}

const NAMES = ["jobQueued", "jobStarted", "jobProgressed", "jobRetrying", "jobCompleted", "batchCompleted"] as const;

async function selectionOf(
  id: string | undefined,
  { tenant }: EventsOptions,
  client: JobServiceClient,
  around: Surroundings,
): Promise<EventSelection> {
  if (id === undefined) return { tenantName: await tenantOf(client, tenant, around) };
  return parseBatchId(id) === undefined ? { jobId: id } : { batchId: id };
}

function subscribe({ notifications }: JobServiceClient, { jobId, batchId, tenantName }: EventSelection): Promise<void> {
  if (jobId !== undefined) return notifications.subscribeToJob(jobId);
  if (batchId !== undefined) return notifications.subscribeToBatch(batchId);
  return notifications.subscribeToTenant(tenantName ?? "");
}

/** After this event no more follow, unless the job or batch is requeued. */
const isLast = ({ eventType }: SystemEvent, { jobId, batchId }: EventSelection): boolean =>
  (eventType === "jobCompleted" && jobId !== undefined) || (eventType === "batchCompleted" && batchId !== undefined);

/** Whether the job or batch had ended before the subscription. */
async function hasEnded(
  { monitoring }: JobServiceClient,
  { jobId, batchId }: EventSelection,
  signal: AbortSignal,
): Promise<boolean> {
  if (jobId !== undefined) return isTerminal((await monitoring.getJob(jobId, { signal })).state);
  return batchId !== undefined && (await monitoring.getBatch(batchId, { signal })).completedAt !== undefined;
}

/** 2030-01-31 08:00:00  jobStarted  acme.….00.…  attempt 2 on worker-1 */
function describe(event: SystemEvent, terminal: Terminal): string {
  const about = "jobId" in event ? event.jobId : event.batchId;
  const parts = [showInstant(event.at), event.eventType.padEnd(TYPE_WIDTH), about, detailOf(event, terminal)];
  return parts.filter(Boolean).join("  ");
}

const TYPE_WIDTH = Math.max(...NAMES.map(({ length }) => length));

function detailOf(event: SystemEvent, terminal: Terminal): string {
  switch (event.eventType) {
    case "jobQueued":
      return `${event.jobName}${event.runAt === undefined ? "" : `, not before ${showInstant(event.runAt)}`}`;
    case "jobStarted":
      return `attempt ${event.attempt} on ${event.workerId}`;
    case "jobProgressed": {
      const { fraction, text = "" } = event.progress;
      return `${fraction === undefined ? "" : `${Math.round(fraction * 100)}% `}${text}`.trim();
    }
    case "jobRetrying":
      return [event.because, event.failure?.message].filter(Boolean).join(": ");
    case "jobCompleted":
      return [showState(terminal, event.status), event.failure?.message].filter(Boolean).join(": ");
    case "batchCompleted":
      return `${event.batchName}, ${event.status}`;
  }
}
