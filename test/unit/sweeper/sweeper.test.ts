import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SWEEP_OPERATION } from "../../../runtime/core/audit.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { createServiceClock } from "../../../runtime/core/service-clock.ts";
import { sleep } from "../../../runtime/core/sleep.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { createNoteRepairs } from "../../../runtime/sweeper/note-repairs.ts";
import { startSweeper, type SweeperDeps } from "../../../runtime/sweeper/sweeper.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { inVirtualTime } from "../../support/faults/virtual-time.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { silentEvents, silentLog, silentMetrics, silentUnreadable } from "../../support/silent.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a sweeper with a wrong clock does not ask for the lease, so another one can lead", async () => {
  let clockMs = Date.parse("2026-03-01T11:00:00Z");
  const clock = createServiceClock({ now: () => new Date(clockMs), monotonicNow: () => 0 });
  clock.hear("Sun, 01 Mar 2026 08:00:00 GMT");
  const hold = vi.fn(() => Promise.resolve(false));
  const log = recordingLog();
  // Who does not lead asks nobody else.
  const deps = {
    pools: ["default"],
    lease: { hold, release: () => Promise.resolve() },
    now: clock.trustedNow,
    metrics: silentMetrics,
    log,
  };
  const stop = startSweeper(deps as unknown as SweeperDeps);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(hold).not.toHaveBeenCalled();
  expect(log.messages()).toEqual(["sweep broke off"]);
  clockMs = Date.parse("2026-03-01T08:00:00Z");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(hold).toHaveBeenCalledOnce();
  await stop();
});

it("a job whose bell was never sent gets one within 90 s, also in a batch that had no open job before, and the audit says so", async () => {
  vi.useRealTimers();
  const ROUND_MS = 30_000;
  const offsetsMs = Array.from({ length: 12 }, (_, n) => 5_000 * n + 1);
  const { value: waitsMs } = await inVirtualTime(() =>
    Promise.all(
      offsetsMs.map(async (offsetMs) => {
        const { jobs, batches, keys, workers, audit } = createMemoryStores();
        const now = (): Date => new Date();
        const noteRepairs = createNoteRepairs({
          audit,
          instance: "api-1",
          newEntryId: randomUUID,
          now,
          log: silentLog,
        });
        const batch = await batches.create(batchOf({ createdAt: now() }));
        let sweptCount = 0;
        const rung = Promise.withResolvers<number>();
        const stop = startSweeper({
          ...{ jobs, batches, keys, workers, now, noteRepairs },
          noteSwept() {
            sweptCount++;
            return Promise.reject(new Error("away"));
          },
          queue: {
            peek: () => Promise.resolve([]),
            send: () => {
              rung.resolve(Date.now());
              return Promise.resolve();
            },
          } satisfies Pick<JobQueue, "peek" | "send"> as unknown as JobQueue,
          completion: createBatchCompletion({ jobs, batches, events: silentEvents, now }),
          events: silentEvents,
          announce: () => Promise.resolve(),
          pools: ["default"],
          lease: { hold: () => Promise.resolve(true), release: () => Promise.resolve() },
          lockMs: 60_000,
          marginMs: 10_000,
          unreadable: silentUnreadable,
          metrics: silentMetrics,
          log: silentLog,
        });
        // The first round is thorough. The later ones pass over the batch in turn.
        await sleep(2 * ROUND_MS + offsetMs);
        const insertedAt = now();
        await jobs.insert(jobOf({ submittedAt: insertedAt }, batch));
        const waitedMs = (await rung.promise) - insertedAt.getTime();
        await stop();
        // Each round that ended was noted, also after a note that failed.
        expect(sweptCount).toBeGreaterThan(1);
        const filter = { operation: SWEEP_OPERATION };
        const { items } = await audit.list(undefined, filter, { pageSize: 9, continuationToken: undefined });
        expect(items.map(({ actor, after }) => ({ actor, after }))).toEqual([
          {
            actor: "sweeper of api-1",
            after: { bellsSent: 1, handedBack: 0, canceled: 0, deadLettersRemoved: 0 },
          },
        ]);
        return waitedMs;
      }),
    ),
  );
  expect(Math.max(...waitsMs)).toBeLessThanOrEqual(90_000);
});

it("repairs that the audit does not take are in the log, and end no round", async () => {
  const log = recordingLog();
  const audit = { add: () => Promise.reject(new Error("away")) };
  const note = createNoteRepairs({ audit, instance: "api-1", newEntryId: randomUUID, now: () => new Date(), log });
  await note({ bellsSent: 1, handedBack: 0, canceled: 0, deadLettersRemoved: 0 });
  expect(log.messages()).toEqual(["repairs of the sweeper could not be recorded in the audit"]);
});
