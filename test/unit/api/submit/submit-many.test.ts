/** The order of rows and bells when one request has more jobs than are written at one time. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../../runtime/api/auth/caller.ts";
import type { SubmitDeps, SubmitRequest } from "../../../../runtime/api/submit/submit-job.ts";
import { createSubmitMany } from "../../../../runtime/api/submit/submit-many.ts";
import type { JobRow } from "../../../../runtime/api/submit/write-job.ts";
import { UnavailableError } from "../../../../runtime/core/errors.ts";
import { createIdSource } from "../../../../runtime/core/job/ids.ts";
import { jobRequestOf } from "../../../support/api/submit-requests.ts";
import { batchOf, jobOf } from "../../../support/builders.ts";

const requests = (count: number): readonly SubmitRequest[] =>
  Array.from({ length: count }, () => ({ job: jobRequestOf("acme"), batchId: undefined, idempotencyKey: undefined }));

/** Bells are held until the test lets them go. */
function world() {
  const batch = batchOf();
  const ids = createIdSource({ now: () => new Date(0), random32: () => 1 });
  const state = { rows: 0, fullFrom: Infinity };
  const sends: { readonly count: number; readonly sent: PromiseWithResolvers<undefined> }[] = [];
  const deps = {
    findBatch: { daily: () => Promise.resolve(batch), named: () => Promise.resolve(batch) },
    knownJobs: { judge: () => () => Promise.resolve(undefined), limitsOf: () => Promise.resolve(undefined) },
    reservations: {} as SubmitDeps["reservations"],
    ids,
    now: () => new Date(0),
    writer: {
      assertReady() {
        if (state.rows >= state.fullFrom) throw new UnavailableError("BusUnavailable", "Full.");
      },
      write: () => Promise.reject(new Error("One of many is not written alone.")),
      async writeRow(_caller, { reservation }) {
        await setImmediate();
        state.rows++;
        return { stored: { value: jobOf({ jobId: reservation.id }, batch), etag: "1" }, replayed: false };
      },
      sendBells(_batchId: string, rows: readonly JobRow[]) {
        const sent = Promise.withResolvers<undefined>();
        sends.push({ count: rows.length, sent });
        return sent.promise;
      },
      wakeBatch: () => Promise.resolve(),
    },
  } satisfies SubmitDeps;
  return { state, sends, submitMany: createSubmitMany(deps) };
}

describe("many jobs of one request", () => {
  it("have their rows written while the bells of those before them go, and no further ahead", async () => {
    const { state, sends, submitMany } = world();
    const submitting = submitMany(LOCAL_CALLER, requests(1_700));
    await expect.poll(() => state.rows).toBe(1_000);
    expect(sends.map(({ count }) => count)).toEqual([500]);
    // Whatever more it would do, it would do now.
    for (let i = 0; i < 20; i++) await setImmediate();
    expect([state.rows, sends.length]).toEqual([1_000, 1]);
    sends[0]!.sent.resolve(undefined);
    await expect.poll(() => state.rows).toBe(1_500);
    expect(sends.map(({ count }) => count)).toEqual([500, 500]);
    sends[1]!.sent.resolve(undefined);
    await expect.poll(() => sends.length).toBe(3);
    sends[2]!.sent.resolve(undefined);
    await expect.poll(() => sends.length).toBe(4);
    sends[3]!.sent.resolve(undefined);
    const outcomes = await submitting;
    const jobIds = outcomes.map((one) => (one.ok ? one.value.jobId : ""));
    expect(new Set(jobIds).size).toBe(1_700);
    expect(jobIds).toEqual(jobIds.toSorted());
  });

  it("whose bells fail have that outcome, and those after them have their own", async () => {
    const { sends, submitMany } = world();
    const submitting = submitMany(LOCAL_CALLER, requests(1_000));
    await expect.poll(() => sends.length).toBe(1);
    sends[0]!.sent.reject(new UnavailableError("StorageUnavailable", "Away."));
    await expect.poll(() => sends.length).toBe(2);
    sends[1]!.sent.resolve(undefined);
    const outcomes = await submitting;
    expect(outcomes.map(({ ok }) => ok)).toEqual(Array.from({ length: 1_000 }, (_, i) => i >= 500));
  });

  it("end with an outage only when the bells under way have gone", async () => {
    const { state, sends, submitMany } = world();
    state.fullFrom = 500;
    let isOver = false;
    const submitting = submitMany(LOCAL_CALLER, requests(1_000)).finally(() => (isOver = true));
    submitting.catch(() => undefined);
    await expect.poll(() => sends.length).toBe(1);
    for (let i = 0; i < 20; i++) await setImmediate();
    expect([isOver, state.rows]).toEqual([false, 500]);
    sends[0]!.sent.resolve(undefined);
    await expect(submitting).rejects.toMatchObject({ code: "BusUnavailable" });
  });
});
