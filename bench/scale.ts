/** What grows: the batch whose counts and pages are read, and the number of receivers of one queue. */
import { MANY, measureReceivers, withBus } from "./bus.ts";
import { expectAnswer, jobOf, prepare, submitMany, TENANT, withStack } from "./stack.ts";
import { type Options, type Report, reportTimes } from "./suite.ts";

const READS = 20;
const PAGE_SIZE = 100;
const RECEIVERS = [1, 40, 200, 800];
const MESSAGES = 20_000;

export async function run(report: Report, { quick, rows }: Options): Promise<void> {
  await measureRows(report, quick ? [100, 1_000] : rows);
  for (const count of RECEIVERS) {
    await withBus([MANY], (connect) => measureReceivers(connect, count, quick ? 1_000 : MESSAGES, report));
  }
}

/** One batch grows from step to step. */
export const measureRows = (report: Report, rows: readonly number[]): Promise<void> =>
  withStack({ workers: 0, slots: 1 }, async (stack) => {
    const { client, call } = await prepare(stack);
    const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Rows", large: true });
    let there = 0;
    for (const count of rows.toSorted((a, b) => a - b)) {
      await submitMany(call, batchId, jobOf("Nothing", "reuse"), count - there);
      there = count;
      const times = async (path: string): Promise<readonly number[]> => {
        const all: number[] = [];
        for (let i = 0; i < READS; i++) {
          const startedAt = performance.now();
          await expectAnswer(call("GET", path), 200);
          all.push(performance.now() - startedAt);
        }
        return all;
      };
      const name = `${count.toLocaleString("en")} rows`;
      reportTimes(report, `${name}: counts`, await times(`/v1/batches/${batchId}`));
      reportTimes(
        report,
        `${name}: page of ${PAGE_SIZE}`,
        await times(`/v1/batches/${batchId}/jobs?pageSize=${PAGE_SIZE}`),
      );
    }
  });
