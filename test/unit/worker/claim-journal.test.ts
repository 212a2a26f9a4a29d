import { symlink } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HeldClaim, createHeldClaims, leftIn, openClaimJournal } from "../../../runtime/worker/claim-journal.ts";
import { silentLog } from "../../support/silent.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const claimOf = (name: string, sequenceNumber = "1"): HeldClaim => ({
  claimId: name,
  jobId: `job-${name}`,
  queue: "jobs-default-normal",
  sequenceNumber,
});

describe("the journal of claims", () => {
  it("the journal tells the next boot which claims were held and how far each queue was read", async () => {
    await using directory = await temporaryDirectory();
    const first = openClaimJournal(directory.path, "boot-1");
    first.begin(claimOf("a", "9007199254740993"));
    first.begin(claimOf("b", "12"));
    first.begin({ ...claimOf("high", "3"), queue: "jobs-default-high" });
    first.end("a");
    first.end("high");
    const second = openClaimJournal(directory.path, "boot-2");
    second.begin(claimOf("c"));
    expect(await second.left()).toEqual({
      held: [claimOf("b", "12")],
      received: new Map([
        ["jobs-default-normal", 9_007_199_254_740_993n],
        ["jobs-default-high", 3n],
      ]),
    });
    await second.forgetLeft();
    expect(await second.left()).toBeUndefined();
    const third = openClaimJournal(directory.path, "boot-3");
    expect((await third.left())?.held).toEqual([claimOf("c")]);
    for (const journal of [first, second, third]) journal.close();
  });

  it("the journal has nothing of a boot that ended in order", async () => {
    await using directory = await temporaryDirectory();
    const first = openClaimJournal(directory.path, "boot-1");
    first.begin(claimOf("a"));
    first.end("a");
    first.close();
    const second = openClaimJournal(directory.path, "boot-2");
    expect(await second.left()).toBeUndefined();
    const third = openClaimJournal(directory.path, "boot-3");
    expect(await third.left()).toEqual({ held: [], received: new Map() });
    for (const journal of [second, third]) journal.close();
  });

  it("the journal throws the disk's error and begins a new line after a torn one", async () => {
    await using directory = await temporaryDirectory();
    await symlink("/dev/full", join(directory.path, "claims-boot-1.log"));
    const full = openClaimJournal(directory.path, "boot-1");
    expect(() => full.begin(claimOf("a"))).toThrow(/ENOSPC/);
    expect(() => full.end("a")).toThrow(/ENOSPC/);
    full.close();
    const begun = "+ a job-a jobs-default-normal 1";
    for (const torn of ["+ b", "+ b job-b jobs", "- "]) {
      expect(leftIn([`${begun}\n${torn}\n+ c job-c jobs-default-normal 1\n`]).held).toEqual([
        claimOf("a"),
        claimOf("c"),
      ]);
    }
  });

  it("a journal cut off anywhere misses no claim that was begun before the cut", () => {
    const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(fc.array(step), fc.nat(), (steps, cut) => {
        const lines = steps.map(([begins, n]) => (begins ? `+ c${n} j${n} q ${n}\n` : `- c${n}\n`));
        const text = lines.join("").slice(0, cut);
        const whole = text.split("\n").length - 1;
        const held = new Set<string>();
        let read: bigint | undefined;
        for (const [begins, n] of steps.slice(0, whole)) {
          if (begins) held.add(`c${n}`);
          else held.delete(`c${n}`);
          if (begins && n > (read ?? 0n)) read = BigInt(n);
        }
        const left = leftIn([text]);
        expect(new Set(left.held.map(({ claimId }) => claimId))).toEqual(held);
        expect(left.received.get("q")).toBe(read);
      }),
    );
  });
});

describe("held claims", () => {
  it("held claims are announced even if the journal cannot be written", () => {
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    const fail = (error: Error) => () => {
      throw error;
    };
    const held = createHeldClaims({ begin: fail(full), end: fail(full) }, silentLog);
    expect(held.begin(claimOf("a"))).toBe(full);
    expect(held.ids()).toEqual(["a"]);
    held.end("a");
    expect(held.ids()).toEqual([]);
    const broken = createHeldClaims({ begin: fail(new Error("ours")), end: () => undefined }, silentLog);
    expect(() => broken.begin(claimOf("a"))).toThrow("ours");
    expect(broken.ids()).toEqual([]);
  });

  it("held claims cancel a job only under its claim, also when the wish comes early", () => {
    const held = createHeldClaims({ begin: () => undefined, end: () => undefined }, silentLog);
    const canceled: string[] = [];
    held.begin({ ...claimOf("early"), jobId: "j1" });
    held.cancel({ claimId: "early", jobId: "j1" });
    held.onCancel("early", () => canceled.push("early"));
    held.begin({ ...claimOf("late"), jobId: "j2" });
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
