/** Sends contacts to an API, in order, as fast as its rate limit allows. */
import { defineJob, type JobContext, NonRetryableError, type Setup } from "jobyard/job";
import * as z from "zod";
import { callApi } from "./call-api.ts";
import { createRateLimit, type RateLimit } from "./rate-limit.ts";

/** Not a parameter: whoever submits a job should not choose where its data goes. */
const API = "https://crm.example.com/";
/** What the API allows us, less a margin, divided by the processes that run at a time: see the README. */
const LIMIT = { perSecond: 4, burst: 4 };

const SyncParameters = z.object({
  contacts: z.array(z.object({ id: z.string().min(1), email: z.email() })).max(5_000),
});

export interface Services {
  readonly api: URL;
  readonly limit: RateLimit;
}

/** Once for each process: all jobs of the process share one limit. */
export const setup: Setup<Services> = () => ({ api: new URL(API), limit: createRateLimit(LIMIT) });

export default defineJob({
  jobType: "SyncContacts",
  parameters: SyncParameters,
  // Over all workers: more would only wait for the API.
  limits: { concurrency: { max: 4 } },
  // They share a process, and so the bucket. They wait more than they compute.
  isolation: "reuse",
  retry: { maxAttempts: 10, initialDelayMs: 60_000, maxDelayMs: 15 * 60_000 },
  async run({ jobId, parameters: { contacts } }, { services, signal, progress, log }: JobContext<Services>) {
    for (const [index, { id, email }] of contacts.entries()) {
      progress(index / contacts.length, `${index} of ${contacts.length} contacts`);
      const response = await callApi(
        new URL(`contacts/${encodeURIComponent(id)}`, services.api),
        {
          method: "PUT",
          // A second try sends the first contacts again. With the key the API knows that they are the same.
          headers: { "content-type": "application/json", "idempotency-key": `${jobId}/${id}` },
          body: JSON.stringify({ email }),
        },
        { limit: services.limit, signal, log },
      );
      await response.body?.cancel();
      if (response.status >= 500) throw new Error(`The API answered ${response.status} for contact ${id}.`);
      // Wrong data stays wrong.
      if (!response.ok) throw new NonRetryableError(`The API refused contact ${id} with ${response.status}.`);
    }
    return { output: { contacts: contacts.length } };
  },
});
