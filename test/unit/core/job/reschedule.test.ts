import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideDelivery } from "../../../../runtime/core/job/protocol.ts";
import { rescheduleOf } from "../../../../runtime/core/job/reschedule.ts";
import { JOB_STATES } from "../../../../runtime/core/job/states.ts";
import { jobOf } from "../../../support/builders.ts";

const instant = fc.date({
  min: new Date("2026-01-01T00:00:00Z"),
  max: new Date("2027-01-01T00:00:00Z"),
  noInvalidDate: true,
});

describe("rescheduleOf", () => {
  it("rescheduleOf moves queued jobs only, and leaves a job alone that waits for this time", () => {
    const runAt = new Date("2026-03-01T09:00:00Z");
    const actions = JOB_STATES.map((state) => [state, rescheduleOf(jobOf({ state }), runAt).action]);
    expect(Object.fromEntries(actions)).toEqual({
      ...{ queued: "write", running: "not-queued" },
      ...{ succeeded: "not-queued", failed: "not-queued", canceled: "not-queued" },
    });
    expect(rescheduleOf(jobOf({ runAt }), new Date(runAt)).action).toBe("none");
  });

  it("no bell of an earlier time starts the job, however often it was rescheduled", () => {
    fc.assert(
      fc.property(fc.array(instant, { minLength: 1, maxLength: 6 }), (times) => {
        let job = jobOf();
        const rings = [job.ring];
        for (const runAt of times) {
          const decision = rescheduleOf(job, runAt);
          if (decision.action !== "write") continue;
          job = { ...job, ...decision.changes };
          rings.push(job.ring);
        }
        const actions = rings.map(
          (ring) => decideDelivery(job, { bell: { ring }, queue: "q", sequenceNumber: "1" }, undefined).action,
        );
        expect(actions).toEqual([...rings.slice(1).map(() => "ring-again"), "claim"]);
        expect(job.runAt).toEqual(times.at(-1));
      }),
    );
  });

  it("the time to live stays as long as it was, from each new time", () => {
    fc.assert(
      fc.property(fc.array(instant, { minLength: 1, maxLength: 4 }), fc.nat(1_000_000), (times, liveMs) => {
        const submittedAt = new Date("2026-01-01T00:00:00Z");
        let job = jobOf({ submittedAt, runAt: undefined, expiresAt: new Date(submittedAt.getTime() + liveMs) });
        for (const runAt of times) {
          const decision = rescheduleOf(job, runAt);
          if (decision.action === "write") job = { ...job, ...decision.changes };
          expect(job.expiresAt?.getTime()).toBe(runAt.getTime() + liveMs);
        }
      }),
    );
  });
});
