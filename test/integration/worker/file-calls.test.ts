/** How often a worker asks its file system for one job. Upper bounds: a change that adds calls has to say so here. */
import { expect, it } from "vitest";
import { countFileCalls } from "../../support/file-calls.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { startTestSystem } from "../../support/test-system.ts";

const JOBS = 10;

/** The claim's lines in the journal: when it begins and when it ends. */
const JOURNAL = 2;
/** Directories made (4), looked through for artifacts (4), removed with a file (13). */
const WITH_DIRECTORIES = JOURNAL + 21;
/** Directories made (4), a copy of two files (3), nothing found (2), all removed (12). */
const IN_A_PROCESS = JOURNAL + 21;

it("a job asks the file system for little, and without directories only for its claim", async () => {
  await using directory = await temporaryDirectory();
  await using system = await startTestSystem();
  const tenant = freshTenant();
  const jobs = { Quick: "return {};", Writes: `fs.writeFileSync(context.outputPath + "/made", "");` };
  await system.publish(tenant, "reuse.zip", testPackage({ jobs, isolation: "reuse" }));
  await system.publish(tenant, "process.zip", testPackage({ jobs }));
  await using worker = await system.startWorker({ directory: directory.path });
  using calls = countFileCalls(directory.path);

  async function callsOf(jobType: string, jobProcessorPackageName: string): Promise<number> {
    const run = async (): Promise<void> => {
      const jobId = await system.submit(tenant, jobType, { jobProcessorPackageName });
      expect(await system.until(jobId)).toMatchObject({ state: "succeeded" });
      await expect.poll(() => worker.runningCount).toBe(0);
    };
    // The first one unpacks the package and starts a process.
    await run();
    calls.reset();
    for (let n = 0; n < JOBS; n++) await run();
    return calls.total / JOBS;
  }

  const found = {
    quick: await callsOf("Quick", "reuse.zip"),
    writes: await callsOf("Writes", "reuse.zip"),
    process: await callsOf("Quick", "process.zip"),
  };
  expect(found.quick).toBe(JOURNAL);
  expect(found.writes).toBeLessThanOrEqual(WITH_DIRECTORIES);
  expect(found.process).toBeLessThanOrEqual(IN_A_PROCESS);
});
