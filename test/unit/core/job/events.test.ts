import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  jobCompletedEvent,
  jobProgressedEvent,
  jobQueuedEvent,
  jobRetryingEvent,
  jobStartedEvent,
  parseEvent,
  type PublishedEvent,
} from "../../../../runtime/core/job/events.ts";
import { jobOf } from "../../../support/builders.ts";

const AT = new Date("2026-03-01T09:00:00Z");
const row = jobOf({ executions: 0 });

/** A life as rows go through it; each step is told as whoever makes it tells it. */
type Step = "start" | "progress" | "retry" | "end" | "requeue" | "take-over";

function tell(steps: readonly Step[]): readonly PublishedEvent[] {
  const job = { ...row, ring: 1, executions: 0 };
  const told: PublishedEvent[] = [jobQueuedEvent(job, AT)];
  let state: "queued" | "running" | "ended" = "queued";
  let number = 0;
  const entry = () => ({
    ...{ execution: job.executions, attempt: 1, workerId: "w", startedAt: AT },
    claimId: `claim-${job.executions}`,
  });
  for (const step of steps) {
    if ((step === "start" && state === "queued") || (step === "take-over" && state === "running")) {
      job.executions++;
      number = 0;
      state = "running";
      told.push(jobStartedEvent(job, entry()));
    } else if (step === "progress" && state === "running") {
      told.push(jobProgressedEvent(job, entry(), { fraction: 0.5 }, ++number, AT));
    } else if (step === "retry" && state === "running") {
      job.ring++;
      state = "queued";
      told.push(jobRetryingEvent(job, undefined, AT));
    } else if (step === "end" && state !== "ended") {
      const claimId = state === "running" ? entry().claimId : undefined;
      state = "ended";
      told.push(jobCompletedEvent({ ...job, state: "canceled", claimId, failure: undefined, endedAt: AT }));
    } else if (step === "requeue" && state === "ended") {
      job.ring++;
      state = "queued";
      told.push(jobQueuedEvent(job, AT));
    }
  }
  return told;
}

const STEPS: readonly Step[] = ["start", "progress", "retry", "end", "requeue", "take-over"];

describe("the events of a job", () => {
  it("the events of a job grow in sequence and never share an id", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...STEPS), { maxLength: 40 }), (steps) => {
        const told = tell(steps);
        const sequences = told.map(({ event }) => event.sequence);
        expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
        expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
        expect(sequences.every(Number.isSafeInteger)).toBe(true);
        for (const { id, event } of told) {
          expect(parseEvent(JSON.parse(JSON.stringify(event)))).toEqual({ ok: true, event });
          // A limit of the service.
          expect(id.length).toBeLessThanOrEqual(128);
        }
      }),
    );
  });

  it("progress events of a job stay below its end", () => {
    const job = { ...row, ring: 3, executions: 7 };
    const entry = { execution: 7, attempt: 1, workerId: "w", claimId: "c", startedAt: AT };
    const late = jobProgressedEvent(job, entry, {}, 10 ** 9, AT);
    const end = jobCompletedEvent({ ...job, state: "succeeded", claimId: "c", failure: undefined, endedAt: AT });
    const next = jobQueuedEvent({ ...job, ring: 4 }, AT);
    expect(late.event.sequence).toBeLessThan(end.event.sequence);
    expect(end.event.sequence).toBeLessThan(next.event.sequence);
  });

  it("an event of another version or without an owner is refused with a reason", () => {
    const { event } = jobQueuedEvent(row, AT);
    expect(parseEvent({ ...event, version: 2 })).toMatchObject({ ok: false });
    expect(parseEvent({ ...event, more: 1 })).toEqual({ ok: true, event });
    for (const body of [undefined, null, "text", {}, { ...event, eventType: "jobExploded" }]) {
      expect(parseEvent(body).ok).toBe(false);
    }
  });
});
