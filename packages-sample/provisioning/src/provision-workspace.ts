/**
 * Creates a workspace for a customer: an entry in the registry, and a container. A worker can die between any two steps,
 * and the job can run a second time at the same moment. Each step is therefore written so that a repeat does no harm.
 */
import { createHash } from "node:crypto";
import { defineIdentity, defineJob, defineSettings, type Job, type JobContext, NonRetryableError } from "jobyard/job";
import * as z from "zod";
import { type BlobStorage, openBlobStorage } from "./blob-storage.ts";

/** Not a parameter: whoever submits could then have the job's token sent to an address of their own. */
export const settings = defineSettings({
  STORAGE_URL: { description: "A storage account with a container registry: https://{account}.blob.core.windows.net" },
});

/** The pool's identity needs the role Storage Blob Data Contributor on the account. */
export const identity = defineIdentity({ audiences: ["https://storage.azure.com"] });

const ProvisionParameters = z.object({
  /** Also a file name. */
  customer: z.string().regex(/^[a-z0-9-]{3,40}$/),
});

/** Says which job provisions a customer, and whether it is done. */
const Entry = z.object({ jobId: z.string(), container: z.string(), state: z.enum(["creating", "ready"]) });

export type Entry = z.infer<typeof Entry>;

export default defineJob({
  jobType: "ProvisionWorkspace",
  parameters: ProvisionParameters,
  retry: { maxAttempts: 5, initialDelayMs: 10_000 },
  timeoutMs: 5 * 60_000,
  async run({ jobId, parameters }, context) {
    const storage = openBlobStorage(settings.of(context).STORAGE_URL, context.credential, context.signal);
    return { output: await provision({ jobId, ...parameters }, { ...context, storage }) };
  },
});

type Deps = Pick<JobContext, "progress" | "log"> & { readonly storage: BlobStorage };

export async function provision(
  { jobId, customer }: Pick<Job, "jobId"> & z.infer<typeof ProvisionParameters>,
  { storage, progress, log }: Deps,
): Promise<Entry> {
  const path = `registry/${customer}.json`;

  // 1. One job wins the customer: the first that writes the entry. It is written before anything is created, so that no
  // resource is ever without an entry that names it.
  progress(0, `Registering ${customer}`);
  const mine: Entry = { jobId, container: containerOf(jobId), state: "creating" };
  const { value, etag } = (await storage.createJson(path, mine)) ?? (await storage.readJson(path));
  const entry = Entry.parse(value);
  if (entry.jobId !== jobId) {
    throw new NonRetryableError(`${customer} has a workspace already. Job ${entry.jobId} made it.`);
  }

  // 2. The name belongs to this job alone. If the container exists, an earlier try has created it.
  progress(0.3, `Creating ${mine.container}`);
  if (!(await storage.createContainer(mine.container))) log(`${mine.container} was created by an earlier try.`);

  // 3. Only the version that was read is replaced. A run that was given up, and goes on nevertheless, changes nothing.
  progress(0.8, "Confirming");
  const ready: Entry = { ...mine, state: "ready" };
  if (entry.state === "ready" || (await storage.replaceJson(path, ready, etag))) return ready;
  const latest = Entry.parse((await storage.readJson(path)).value);
  // The other run of this job was faster.
  if (latest.jobId === jobId && latest.state === "ready") return latest;
  throw new Error(`The entry of ${customer} was changed by something else.`);
}

/** Derived from the job's id, so that every try finds what an earlier one has created. A valid name for a container. */
const containerOf = (jobId: string): string =>
  `workspace-${createHash("sha256").update(jobId).digest("hex").slice(0, 20)}`;
