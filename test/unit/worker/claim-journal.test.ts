import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heldIn, openClaimJournal } from "../../../runtime/worker/claim-journal.ts";
import { createHeldClaims } from "../../../runtime/worker/held-claims.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

describe("the journal of claims", () => {
  it("tells the next boot what this one held, and nothing that was settled", async () => {
    await using directory = await temporaryDirectory();
    const first = openClaimJournal(directory.path, "boot-1");
    first.begin({ claimId: "a", jobId: "job-a" });
    first.begin({ claimId: "b", jobId: "job-b" });
    first.end("a");
    const second = openClaimJournal(directory.path, "boot-2");
    second.begin({ claimId: "c", jobId: "job-c" });
    expect(await second.left()).toEqual([{ claimId: "b", jobId: "job-b" }]);
    await second.forgetLeft();
    expect(await second.left()).toEqual([]);
    const third = openClaimJournal(directory.path, "boot-3");
    expect(await third.left()).toEqual([{ claimId: "c", jobId: "job-c" }]);
    for (const journal of [first, second, third]) journal.close();
  });

  it("cut off anywhere holds a prefix of the truth: nothing that was begun before the cut and not ended is missing", () => {
    const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(fc.array(step), fc.nat(), (steps, cut) => {
        const lines = steps.map(([begins, n]) => (begins ? `+ c${n} j${n}\n` : `- c${n}\n`));
        const text = lines.join("").slice(0, cut);
        const whole = text.split("\n").length - 1;
        const held = new Set<string>();
        for (const [begins, n] of steps.slice(0, whole)) {
          if (begins) held.add(`c${n}`);
          else held.delete(`c${n}`);
        }
        expect(new Set(heldIn(text).map(({ claimId }) => claimId))).toEqual(held);
      }),
    );
  });
});

describe("held claims", () => {
  it("cancel a job whenever the wish comes, before there is a way and after, and only under its claim", () => {
    const held = createHeldClaims({ begin: () => undefined, end: () => undefined });
    const canceled: string[] = [];
    held.begin({ claimId: "early", jobId: "j1" });
    held.cancel({ claimId: "early", jobId: "j1" });
    held.onCancel("early", () => canceled.push("early"));
    held.begin({ claimId: "late", jobId: "j2" });
    held.onCancel("late", () => canceled.push("late"));
    held.cancel({ claimId: "late", jobId: "j2" });
    held.cancel({ claimId: "other", jobId: "j2" });
    expect(canceled).toEqual(["early", "late"]);
    held.end("late");
    held.cancel({ claimId: "late", jobId: "j2" });
    expect(canceled).toEqual(["early", "late"]);
    expect(held.ids()).toEqual(["early"]);
  });
});
