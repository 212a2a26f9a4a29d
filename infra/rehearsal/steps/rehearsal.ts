/** Shared by the steps of a rehearsal: its context and common actions. */
import { ServiceBusAdministrationClient, ServiceBusClient } from "@azure/service-bus";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import type { JobView } from "../../../runtime/core/http/views.ts";
import { ADMIN_APPLICATION, DEMO_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { Estate } from "../cloud/estate.ts";
import type { Pool, PoolMachine } from "../cloud/pool.ts";
import type { RehearsedProject, RehearsedStack } from "../pulumi/rehearsed-stack.ts";
import { until } from "./step.ts";

export interface Rehearsal {
  readonly project: RehearsedProject;
  readonly stack: RehearsedStack;
  /** The record of the last deployment. */
  readonly estate: () => Estate;
  /** The tenant of the jobs: the one that deployed packages are published to, if there are any. */
  readonly tenantName: string;
  readonly cloud: Cloud;
  readonly pool: Pool;
  /** Deploys, and updates the running cloud to the record. */
  deploy(): Promise<void>;
  /** A program with the role Jobs.Submit. */
  readonly client: JobServiceClient;
  /** A program with Jobs.Admin. */
  readonly admin: JobServiceClient;
  /** The job package "rehearsal-work.zip". */
  readonly workPackage: Uint8Array<ArrayBuffer>;
  readonly bus: ServiceBusClient;
  readonly busAdmin: ServiceBusAdministrationClient;
  /** Jobs whose messages were removed. One step adds them, another waits for them. */
  readonly bereft: { jobIds: readonly string[]; since: number };
  readonly maxMachines: number;
}

export const WORK_PACKAGE = "rehearsal-work.zip";

/** Sends no request: nobody is signed in yet. */
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
  until("the API answers and accepts callers", 60, async () => {
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

/** Waits for the end, and throws unless the job succeeded. */
export async function succeeded({ client }: Pick<Rehearsal, "client">, jobId: string, seconds = 120): Promise<JobView> {
  const job = await client.waitForJob(jobId, { signal: AbortSignal.timeout(Math.ceil(seconds * 1_000)) });
  if (job.state !== "succeeded") {
    throw new Error(`Job ${job.jobName} ${job.state}: ${job.failure?.code ?? ""} ${job.failure?.message ?? ""}`);
  }
  return job;
}

/** The machine that a job runs on. Waits until it runs. */
export function machineOf(rehearsal: Pick<Rehearsal, "client" | "pool">, jobId: string): Promise<PoolMachine> {
  return until(`job ${jobId} runs`, 120, async () => {
    const job = await rehearsal.client.monitoring.getJob(jobId);
    if (job.state !== "running") return undefined;
    return rehearsal.pool.machines.find(({ workerId }) => workerId === job.workerId);
  });
}

export const workerOf = async ({ admin }: Pick<Rehearsal, "admin">, { workerId }: PoolMachine) =>
  (await admin.monitoring.getWorkers()).find((worker) => worker.workerId === workerId);

/** Throws if the job was started more than once, with the end of each start. */
export function expectOneStart({ jobName, history }: JobView): void {
  const starts = history.map(({ outcome, code, workerId }) => [outcome, code, workerId].join(" "));
  expect(history.length === 1, `${jobName} was started ${history.length} times: ${starts.join("; ")}.`);
}

/** How each execution of a job ended, oldest first. */
export const outcomes = ({ history }: JobView): readonly (string | undefined)[] =>
  history.map(({ outcome }) => outcome);

export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}
