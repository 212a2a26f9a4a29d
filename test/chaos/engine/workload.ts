/** The jobs of a chaos run: a package written by hand, and a mix of job types. */
import type { JobRequestBody } from "../../../runtime/core/http/requests.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { type TestPackage, testPackage } from "../../support/packages/test-package.ts";

export const PACKAGE_NAME = "chaos.zip";
export const TENANT = "chaos";

const SLEEP = "const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));";

/** With these types beside its own. */
export const chaosPackage = (more: Pick<TestPackage, "jobs" | "limits" | "isolation"> = { jobs: {} }): Buffer =>
  testPackage({
    ...more,
    jobs: {
      ...more.jobs,
      Quick: "return { output: job.attempt };",
      Slow: `${SLEEP} await sleep(1_500); return { output: job.attempt };`,
      // Longer than two locks, so it needs their renewal. It reports progress, so that there are writes to fence.
      Long: `${SLEEP} for (let i = 1; i <= 24; i++) { await sleep(500); context.progress(i / 24); } return {};`,
      // As long, and it ends when it is canceled.
      Polite: `${SLEEP} for (let i = 1; i <= 16; i++) { await sleep(500); context.signal.throwIfAborted(); } return {};`,
      Flaky: `if (job.attempt < 3) throw new Error("not yet"); return { output: job.attempt };`,
      Doomed: `throw new Error("never");`,
      // Runs out of time in every attempt.
      Hanging: `${SLEEP} for (;;) { await sleep(100); context.signal.throwIfAborted(); }`,
    },
  });

type Kind = "Quick" | "Slow" | "Long" | "Polite" | "Flaky" | "Doomed" | "Hanging";

/** Of a hundred jobs. */
const MIX: Readonly<Record<Kind, number>> = {
  ...{ Quick: 48, Slow: 20, Long: 4, Polite: 4, Flaky: 12, Doomed: 8, Hanging: 4 },
};
const KINDS = Object.entries(MIX).flatMap(([kind, share]) => Array.from({ length: share }, () => kind as Kind));

const RETRY = { maxAttempts: 3, initialDelayMs: 300, factor: 1, jitter: 0 } as const;
/** Only the hanging ones need a limit. Others would reach it on a slow machine. */
const HANGING_TIMEOUT_MS = 1_500;
const DELAYED_SHARE = 0.12;
const DELAY_MIN_MS = 1_000;
const DELAY_RANGE_MS = 7_000;
const PRIORITIES = ["high", "normal", "normal", "low"] as const;

/** How jobs of a type end without a cancel. */
export const expectedEnding = (jobType: string): { readonly state: "succeeded" | "failed"; readonly code?: string } => {
  switch (jobType) {
    case "Doomed":
      return { state: "failed", code: "JobFailed" };
    case "Hanging":
      return { state: "failed", code: "JobTimedOut" };
    default:
      return { state: "succeeded" };
  }
};

export function chaosJob(random: SeededRandom, index: number): JobRequestBody {
  const jobType = random.pick(KINDS);
  const priority = random.pick(PRIORITIES);
  const delayMs = random.chance(DELAYED_SHARE) ? DELAY_MIN_MS + Math.round(DELAY_RANGE_MS * random.next()) : undefined;
  return {
    tenantName: TENANT,
    jobType,
    jobName: `${jobType} ${index + 1}`,
    jobProcessorPackageName: PACKAGE_NAME,
    parameters: { index },
    retry: RETRY,
    priority,
    ...(delayMs !== undefined && { delayMs }),
    ...(jobType === "Hanging" && { timeoutMs: HANGING_TIMEOUT_MS }),
  };
}
