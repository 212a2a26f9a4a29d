/** What the steps of a rehearsal share, and the few things that several of them do. */
import { ServiceBusAdministrationClient, ServiceBusClient } from "@azure/service-bus";
import { JobServiceClient } from "../../runtime/client/index.ts";
import type { JobView } from "../../runtime/core/http/views.ts";
import { ADMIN_APPLICATION, DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import type { Cloud } from "./cloud.ts";
import type { Estate } from "./estate.ts";
import type { Pool, PoolMachine } from "./pool.ts";
import type { RehearsedProject, RehearsedStack } from "./rehearsed-stack.ts";
import { until } from "./step.ts";

export interface Rehearsal {
  readonly project: RehearsedProject;
  readonly stack: RehearsedStack;
  /** What the last deployment recorded. */
  readonly estate: () => Estate;
  /** Whose jobs are run: the one that deployed packages are published to, if there are any. */
  readonly tenantName: string;
  readonly cloud: Cloud;
  readonly pool: Pool;
  /** Deploys, and brings the running cloud to what was recorded. */
  deploy(): Promise<void>;
  /** A program with the role Jobs.Submit. */
  readonly client: JobServiceClient;
  /** One with Jobs.Admin. */
  readonly admin: JobServiceClient;
  /** The job package "rehearsal-work.zip". */
  readonly workPackage: Uint8Array<ArrayBuffer>;
  readonly bus: ServiceBusClient;
  readonly busAdmin: ServiceBusAdministrationClient;
  /** Jobs whose messages were taken away; filled by one step, waited for by another. */
  readonly bereft: { jobIds: readonly string[]; since: number };
  readonly maxMachines: number;
}

export const WORK_PACKAGE = "rehearsal-work.zip";

/** Makes no request: nobody is signed in yet. */
export const createClients = (
  cloud: Pick<Cloud, "busConnectionString" | "busAdminConnectionString">,
  host: string,
) => ({
  client: new JobServiceClient(`https://${host}`),
  admin: new JobServiceClient(`https://${host}`),
  bus: new ServiceBusClient(cloud.busConnectionString),
  busAdmin: new ServiceBusAdministrationClient(cloud.busAdminConnectionString),
});

export const signIn = ({ client, admin }: Pick<Rehearsal, "client" | "admin">): Promise<true> =>
  until("the API answers, and signs callers in", 60, async () => {
    await client.authenticate(DEMO_APPLICATION.clientId, DEMO_APPLICATION.secret);
    await admin.authenticate(ADMIN_APPLICATION.clientId, ADMIN_APPLICATION.secret);
    return true;
  });

export const submitWork = (
  { client, tenantName }: Pick<Rehearsal, "client" | "tenantName">,
  name: string,
  seconds: number,
  more: {
    readonly priority?: "high" | "normal" | "low";
    readonly runAt?: string;
    /** Default "Work". "WorkTwice" fails at its first attempt. */
    readonly jobType?: "Work" | "WorkTwice";
  } = {},
): Promise<string> =>
  client.management.submitJob({
    tenantName,
    jobType: "Work",
    jobName: name,
    jobProcessorPackageName: WORK_PACKAGE,
    parameters: { seconds },
    ...more,
  });

/** Waits for the end, and insists on success. */
export async function succeeded({ client }: Pick<Rehearsal, "client">, jobId: string, seconds = 120): Promise<JobView> {
  const job = await client.waitForJob(jobId, { signal: AbortSignal.timeout(Math.ceil(seconds * 1_000)) });
  if (job.state !== "succeeded") {
    throw new Error(`Job ${job.jobName} ${job.state}: ${job.failure?.code ?? ""} ${job.failure?.message ?? ""}`);
  }
  return job;
}

/** The machine that a job runs on, once it runs. */
export function machineOf(rehearsal: Pick<Rehearsal, "client" | "pool">, jobId: string): Promise<PoolMachine> {
  return until(`job ${jobId} runs`, 120, async () => {
    const job = await rehearsal.client.monitoring.getJob(jobId);
    if (job.state !== "running") return undefined;
    return rehearsal.pool.machines.find(({ workerId }) => workerId === job.workerId);
  });
}

export const workerOf = async ({ admin }: Pick<Rehearsal, "admin">, { workerId }: PoolMachine) =>
  (await admin.monitoring.getWorkers()).find((worker) => worker.workerId === workerId);

/** Throws when the job was started more than once, with how each start ended. */
export function expectOneStart({ jobName, history }: JobView): void {
  const starts = history.map(({ outcome, code, workerId }) => [outcome, code, workerId].join(" "));
  expect(history.length === 1, `${jobName} was started ${history.length} times: ${starts.join("; ")}.`);
}

/** How a job's starts ended, oldest first. */
export const outcomes = ({ history }: JobView): readonly (string | undefined)[] =>
  history.map(({ outcome }) => outcome);

export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}
