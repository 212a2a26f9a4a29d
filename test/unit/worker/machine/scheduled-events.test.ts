import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ScheduledEvent } from "../../../../runtime/core/ports/machine.ts";
import { planFor, type EventFacts } from "../../../../runtime/worker/machine/scheduled-events.ts";

const NOW = 1_000_000_000;
const MINUTE = 60_000;
const event = (fields: Partial<ScheduledEvent> = {}): ScheduledEvent => ({
  eventId: "e1",
  type: "Terminate",
  status: "Scheduled",
  resources: ["workers_4"],
  notBefore: NOW + 15 * MINUTE,
  ...fields,
});
const facts = (fields: Partial<EventFacts> = {}): EventFacts => ({
  name: "workers_4",
  runningCount: 0,
  drained: false,
  now: NOW,
  reserveMs: MINUTE,
  ...fields,
});
const plan = (events: readonly ScheduledEvent[], fields: Partial<EventFacts> = {}) =>
  planFor({ incarnation: 1, events }, facts(fields));

describe("scheduled events", () => {
  it.each(["Terminate", "Preempt", "Reboot", "Redeploy"])(
    "%s ends the machine: the worker drains first and approves then",
    (type) => {
      expect(plan([event({ type })], { runningCount: 1 })).toEqual({
        ending: true,
        reason: type,
        drainMs: 14 * MINUTE,
        approve: [],
      });
      expect(plan([event({ type })], { drained: true }).approve).toEqual(["e1"]);
    },
  );

  it("events of other machines are ignored", () => {
    expect(plan([event({ resources: ["workers_5"] })], { drained: true })).toMatchObject({
      ending: false,
      approve: [],
    });
    expect(plan([event({ resources: ["workers_5", "WORKERS_4"] })]).ending).toBe(true);
  });

  it("an event that begins too soon leaves jobs no time", () => {
    for (const one of [
      event({ type: "Preempt", notBefore: NOW + 30_000 }),
      event({ notBefore: undefined }),
      event({ status: "Started", notBefore: undefined }),
      event({ notBefore: NOW - MINUTE }),
    ]) {
      expect(plan([one], { runningCount: 2 })).toMatchObject({ ending: true, drainMs: 0 });
    }
  });

  it("the first of several events counts, and all are approved together", () => {
    const events = [
      event({ eventId: "late", type: "Redeploy", notBefore: NOW + 10 * MINUTE }),
      event({ eventId: "soon", type: "Preempt", notBefore: NOW + 2 * MINUTE }),
      event({ eventId: "begun", type: "Reboot", status: "Started", notBefore: undefined, resources: ["workers_9"] }),
    ];
    expect(plan(events)).toMatchObject({ reason: "Preempt", drainMs: MINUTE });
    expect(plan(events, { drained: true }).approve.toSorted()).toEqual(["late", "soon"]);
  });

  it("Freeze is approved while idle and left alone while busy", () => {
    expect(plan([event({ type: "Freeze" })])).toMatchObject({ ending: false, approve: ["e1"] });
    expect(plan([event({ type: "Freeze" })], { runningCount: 1 })).toMatchObject({ ending: false, approve: [] });
  });

  it("events of unknown kinds are not approved", () => {
    expect(plan([event({ type: "Unheard" })])).toMatchObject({ ending: false, approve: [] });
    expect(plan([event({ type: "Unheard" })], { drained: true })).toMatchObject({ approve: [] });
  });

  it("no event is approved while something runs or messages are received", () => {
    const types = ["Terminate", "Preempt", "Reboot", "Redeploy", "Freeze"];
    const anyEvent = fc.record({
      eventId: fc.uuid(),
      type: fc.constantFrom(...types),
      status: fc.constantFrom("Scheduled", "Started"),
      resources: fc.subarray(["workers_4", "workers_5"], { minLength: 1 }),
      notBefore: fc.option(fc.integer({ min: NOW - MINUTE, max: NOW + 20 * MINUTE }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyEvent), fc.nat(3), fc.boolean(), (events, runningCount, drained) => {
        const one = plan(events, { runningCount, drained: drained && runningCount === 0 });
        if (runningCount > 0) expect(one.approve).toEqual([]);
        if (one.ending && !drained) expect(one.approve).toEqual([]);
        expect(one.drainMs).toBeGreaterThanOrEqual(0);
        for (const eventId of one.approve) {
          const approved = events.find((candidate) => candidate.eventId === eventId)!;
          expect(approved.resources).toContain("workers_4");
          expect(approved.status).toBe("Scheduled");
        }
      }),
    );
  });
});
