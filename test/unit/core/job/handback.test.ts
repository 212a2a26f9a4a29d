import { describe, expect, it } from "vitest";
import { handbackOf, isClaimDead } from "../../../../runtime/core/job/handback.ts";
import type { Claim } from "../../../../runtime/core/job/job.ts";
import { MAX_INTERRUPTIONS } from "../../../../runtime/core/limits.ts";
import { jobOf } from "../../../support/builders.ts";

const NOW = new Date("2026-03-01T09:00:00Z");
const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);

describe("handbackOf", () => {
  const running = jobOf({
    state: "running",
    ring: 3,
    history: [{ execution: 1, attempt: 1, workerId: "w", claimId: "c", startedAt: NOW }],
  });

  it("handing a job back costs an interruption, no attempt, and closes its start in the history", () => {
    expect(handbackOf(running, at(5))).toEqual({
      to: "queued",
      changes: {
        ring: 4,
        interruptions: 1,
        claim: undefined,
        runAt: undefined,
        startedAt: undefined,
        history: [{ ...running.history[0], endedAt: at(5), outcome: "interrupted" }],
      },
    });
  });

  it("handing a job back ends it when a cancel is wanted, or when it has lost too many workers", () => {
    expect(handbackOf({ ...running, cancelWanted: true }, NOW).to).toBe("canceled");
    expect(handbackOf({ ...running, interruptions: MAX_INTERRUPTIONS }, NOW)).toMatchObject({
      to: "failed",
      changes: { failure: { code: "WorkerLost" } },
    });
  });

  it("the failure of a job that lost its workers names the last known machine fault", () => {
    const entry = {
      execution: 4,
      attempt: 1,
      workerId: "w",
      claimId: "c",
      startedAt: NOW,
      outcome: "interrupted",
    } as const;
    const history = [{ ...entry, code: "ENOSPC" }, { ...entry, execution: 5 }, ...running.history];
    const { changes } = handbackOf({ ...running, history, interruptions: MAX_INTERRUPTIONS }, NOW);
    expect(changes.failure?.message).toMatch(/ Execution 4 was interrupted by ENOSPC\.$/);
  });
});

describe("isClaimDead", () => {
  const limits = { lockMs: 60_000, marginMs: 10_000 };
  const claim: Claim = { id: "c", workerId: "w", bootId: "b", queue: "q", sequenceNumber: "1", since: NOW };
  const worker = { bootId: "b", heartbeatAt: at(0), claims: ["c"], state: "running" } as const;

  it.each([
    ["its worker lists it, however long it runs", { ...worker, heartbeatAt: at(9_000) }, at(9_001), false],
    ["its worker's heartbeat is within a lock's time", worker, at(70), false],
    ["its worker has been silent for longer", worker, at(71), true],
    ["its worker runs under another boot", { ...worker, bootId: "b2" }, at(1), true],
    [
      "its worker does not list it a moment after the claim",
      { ...worker, heartbeatAt: at(10), claims: [] },
      at(11),
      false,
    ],
    ["its worker does not list it later", { ...worker, heartbeatAt: at(11), claims: [] }, at(12), true],
    ["there is no row of its worker a lock's time later", undefined, at(71), true],
    ["there is no row of its worker yet", undefined, at(70), false],
  ])("judges a claim when %s", (_what, record, now, dead) => {
    expect(isClaimDead(claim, record, now.getTime(), limits)).toBe(dead);
  });
});
