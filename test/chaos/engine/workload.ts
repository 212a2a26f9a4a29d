/** The jobs of a chaos run: a package written by hand, and a mix of what jobs do. */
import type { JobRequestBody } from "../../../runtime/core/requests.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { testPackage } from "../../support/test-package.ts";

export const PACKAGE_NAME = "chaos.zip";
export const TENANT = "chaos";

const SLEEP = "const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));";

export const chaosPackage = (): Buffer =>
  testPackage({
    jobs: {
      Quick: "return { output: job.attempt };",
      Slow: `${SLEEP} await sleep(1_500); return { output: job.attempt };`,
      // Longer than two locks: it lives by their renewal, and it reports, so that there is something to fence.
      Long: `${SLEEP} for (let i = 1; i <= 24; i++) { await sleep(500); context.progress(i / 24); } return {};`,
      Flaky: `if (job.attempt < 3) throw new Error("not yet"); return { output: job.attempt };`,
      Doomed: `throw new Error("never");`,
    },
  });

type Kind = "Quick" | "Slow" | "Long" | "Flaky" | "Doomed";

/** Of a hundred jobs. */
const MIX: Readonly<Record<Kind, number>> = { Quick: 55, Slow: 20, Long: 5, Flaky: 12, Doomed: 8 };
const KINDS = Object.entries(MIX).flatMap(([kind, share]) => Array.from({ length: share }, () => kind as Kind));

const RETRY = { maxAttempts: 3, initialDelayMs: 300, factor: 1, jitter: 0 } as const;

/** How jobs of a type end when nobody but the job itself decides. */
export const expectedState = (jobType: string): "succeeded" | "failed" =>
  jobType === "Doomed" ? "failed" : "succeeded";

export function chaosJob(random: SeededRandom, index: number): JobRequestBody {
  const jobType = random.pick(KINDS);
  return {
    tenantName: TENANT,
    jobType,
    jobName: `${jobType} ${index + 1}`,
    jobProcessorPackageName: PACKAGE_NAME,
    parameters: { index },
    retry: RETRY,
  };
}
