import { describe, expect, it } from "vitest";
import { bellOf } from "../../../../runtime/core/job/bell.ts";
import { parseMessage, subjectOf } from "../../../../runtime/core/job/message.ts";
import { outgoingTick } from "../../../../runtime/core/timer/tick.ts";
import { scheduleHashOf, tickJobId } from "../../../../runtime/core/timer/timer.ts";
import { parseTimerTrigger, timerTriggerJson } from "../../../../runtime/core/timer/trigger.ts";
import { jobOf, timerOf } from "../../../support/builders.ts";

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const AT = new Date("2026-03-01T08:00:00Z");
const timer = timerOf();
const { tick } = outgoingTick(timer, scheduleHashOf(timer), AT);

describe("a message", () => {
  it("a message with a bell names the job of the bell", () => {
    const bell = bellOf(jobOf({ ring: 3 }), "e");
    const message = parseMessage(throughJson(bell));
    expect(message).toEqual({ kind: "bell", bell });
    expect(subjectOf(message)).toMatchObject({ jobId: bell.jobId, ring: 3 });
  });

  it("a message with a tick names the job of the tick", () => {
    const message = parseMessage(throughJson(tick));
    expect(message).toEqual({ kind: "tick", tick });
    expect(subjectOf(message)).toEqual({ jobId: tickJobId(timer, AT, scheduleHashOf(timer)), ring: 1 });
  });

  it.each([
    [{ version: 99 }, "bell", "Its version is 99; this release reads 1."],
    [{ ...bellOf(jobOf(), "e"), version: 2 }, "bell", "Its version is 2; this release reads 1."],
    [{ ...tick, version: 2 }, "tick", "Its version is 2; this release reads 1."],
    [{ version: 1, kind: "wish" }, "bell", "Its kind is not known."],
  ])("a message of another release is unreadable and names no job: %j", (body, format, reason) => {
    const message = parseMessage(body);
    expect(message).toEqual({ kind: "unreadable", format, reason });
    expect(subjectOf(message)).toBeUndefined();
  });

  it("a tick is read without the fields of a later release", () => {
    expect(parseMessage({ ...tick, surprise: true })).toEqual({ kind: "tick", tick });
  });

  it.each([
    [undefined, /Malformed message/],
    [{ kind: "tick" }, /Malformed tick: version/],
    [{ ...tick, tenantName: "No tenant" }, /tenantName/],
    [{ ...tick, packageName: "a/b.zip" }, /packageName not a package/],
    [{ ...tick, packageName: "export" }, /packageName not a package/],
    [{ ...tick, timerName: "a.b" }, /timerName/],
    [{ ...tick, scheduledAt: "soon" }, /scheduledAt/],
    [{ ...tick, scheduleHash: "" }, /scheduleHash/],
    [{ ...tick, version: 1.5 }, /version/],
    [{ ...tick, version: 0 }, /version/],
  ])("a malformed message has a reason and names no job: %j", (body, reason) => {
    const message = parseMessage(body);
    expect(message).toMatchObject({ kind: "malformed", reason: expect.stringMatching(reason) as unknown });
    expect(subjectOf(message)).toBeUndefined();
  });
});

describe("why a run of a timer was started", () => {
  it("survives its way through JSON", () => {
    const plain = { trigger: "manual", scheduledAt: AT, missedCount: 0 } as const;
    const late = { ...plain, trigger: "schedule", missedCount: 2, firstMissedAt: AT, lastMissedAt: AT } as const;
    for (const trigger of [plain, late]) expect(parseTimerTrigger(timerTriggerJson(trigger))).toEqual(trigger);
  });

  it.each([undefined, "", "null", "{", '{"trigger":"whim"}', '{"trigger":"manual","missedCount":0}'])(
    "is not said by %j",
    (json) => {
      expect(parseTimerTrigger(json)).toBeUndefined();
    },
  );
});
