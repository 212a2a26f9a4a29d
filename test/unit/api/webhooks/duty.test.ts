import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Deliverer } from "../../../../runtime/api/webhooks/deliver.ts";
import { startWebhookDuty, WEBHOOK_LEASE_MS } from "../../../../runtime/api/webhooks/duty.ts";
import { jobCompletedEvent } from "../../../../runtime/core/job/events.ts";
import { jobIdParts } from "../../../../runtime/core/job/ids.ts";
import { jobOf } from "../../../support/builders.ts";
import { silentLog } from "../../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const JOB_ID = jobOf().jobId;

/** A duty, when it asked for the lease, and how many deliveries its rounds find. */
function setUp() {
  const asked: number[] = [];
  const failing: string[] = [];
  const startedAt = Date.now();
  const state = { leads: true, deliveries: 0 };
  const deliverer: Deliverer = {
    round: () => Promise.resolve(false),
    next: () => Promise.resolve(),
    idle: () => Promise.resolve(),
    get count() {
      return state.deliveries;
    },
  };
  const duty = startWebhookDuty({
    lease: {
      hold: () => {
        asked.push((Date.now() - startedAt) / 1_000);
        return Promise.resolve(state.leads);
      },
      release: () => Promise.resolve(),
    },
    announce: () => Promise.resolve(0),
    announceFailures: (batchId) => Promise.resolve(void failing.push(batchId)),
    deliverer,
    log: silentLog,
  });
  return { asked, failing, state, duty };
}

it("rounds without deliveries come every 10 s, and every 5 s for a minute after a delivery", async () => {
  const { asked, state, duty } = setUp();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(asked).toEqual([0, 10]);
  state.deliveries = 1;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toEqual([0, 10, 20, 25]);
  state.deliveries = 0;
  await vi.advanceTimersByTimeAsync(80_000);
  expect(asked.slice(3)).toEqual([25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 95, 105]);
  await duty.stop();
});

it("another process takes over within 30 s of the last round of one that has died", async () => {
  const { asked, state, duty } = setUp();
  state.leads = false;
  await vi.advanceTimersByTimeAsync(60_000);
  // Of the processes that do not lead, the next one to ask after the end of the lease gets it.
  const pausesMs = asked.slice(1).map((at, n) => 1_000 * (at - (asked[n] ?? 0)));
  expect(WEBHOOK_LEASE_MS + Math.max(...pausesMs)).toBeLessThanOrEqual(30_000);
  // The one that leads asks in time to keep it.
  expect(Math.max(...pausesMs)).toBeLessThan(WEBHOOK_LEASE_MS);
  await duty.stop();
});

it("looks at a batch once, in the next round, however many of its jobs have failed", async () => {
  const { asked, failing, duty } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  const job = { jobId: JOB_ID, jobName: "a", jobType: "A", ring: 1, executions: 1 };
  const ended = { ...job, claimId: undefined, failure: undefined, artifactCount: 0, endedAt: new Date() };
  for (let n = 0; n < 50; n++) duty.onEvent(jobCompletedEvent({ ...ended, state: "failed" }));
  duty.onEvent(jobCompletedEvent({ ...ended, jobId: jobOf().jobId, state: "succeeded" }));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).toEqual([0, 10, 20]);
  expect(failing).toEqual([jobIdParts(JOB_ID).batchId]);
  await duty.stop();
});
