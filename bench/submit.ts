/** How many jobs a second the API accepts, without workers: one by one, in bulk as JSON, and as lines. */
import { createCall, jobOf, prepare, submitMany, submitOne, TENANT, withStack } from "./stack.ts";
import { inFlight, type Options, type Report, reportRate, scaled } from "./suite.ts";

const SINGLE_JOBS = 1_500;
const WARM_UP_JOBS = 300;
const AT_ONCE = 32;
const BULK_JOBS = 10_000;

export const run = (report: Report, options: Options): Promise<void> =>
  withStack({ workers: 0, slots: 1 }, async (stack) => {
    const { client, call } = await prepare(stack);
    const job = jobOf("Nothing", "reuse");
    const singles = scaled(SINGLE_JOBS, options);
    const many = scaled(BULK_JOBS, options);
    const createBatch = (large: boolean): Promise<string> =>
      client.management.createBatch({ tenantName: TENANT, batchName: "Submit", large });

    const single = { ...job, batchId: await createBatch(false) };
    await inFlight(scaled(WARM_UP_JOBS, options), AT_ONCE, () => submitOne(call, single));
    await reportRate(report, { name: `one by one, ${AT_ONCE} in flight`, count: singles, unit: "jobs/s" }, () =>
      inFlight(singles, AT_ONCE, () => submitOne(call, single)),
    );
    const bulk = await createBatch(true);
    await reportRate(report, { name: "in bulk, JSON", count: many, unit: "jobs/s" }, () =>
      submitMany(call, bulk, job, many),
    );
    const lines = await createBatch(true);
    await reportRate(report, { name: "in bulk, lines by the client", count: many, unit: "jobs/s" }, async () => {
      for await (const result of client.management.submitJobs(Array<typeof job>(many).fill(job), lines)) {
        if ("error" in result) throw new Error(result.error.message);
      }
    });
    const me = createCall(stack);
    await reportRate(report, { name: `GET /v1/me, ${AT_ONCE} in flight`, count: singles, unit: "requests/s" }, () =>
      inFlight(singles, AT_ONCE, () => me("GET", "/v1/me")),
    );
  });
