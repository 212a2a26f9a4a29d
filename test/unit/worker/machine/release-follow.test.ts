import { describe, expect, it } from "vitest";
import { parseReleasePointer } from "../../../../runtime/core/ports/release-reader.ts";
import { decideRelease, ownPatienceMs, type ReleaseFacts } from "../../../../runtime/worker/machine/release-follow.ts";

const pointerTo = (version: string) => ({ version, blob: `worker/${version}.tgz`, sha256: "0".repeat(64) });
const decide = (fields: Partial<ReleaseFacts>) =>
  decideRelease({
    ownVersion: "1",
    pointer: pointerTo("2"),
    differentSince: undefined,
    slots: 4,
    runningCount: 0,
    now: 1_000,
    patienceMs: 900,
    ...fields,
  });

describe("a worker that follows releases", () => {
  it("goes on while the pointer names its own version", () => {
    expect(decide({ pointer: pointerTo("1"), differentSince: 5 })).toEqual({ leave: false, differentSince: undefined });
  });

  it("leaves for another version, older ones too, as soon as nothing runs", () => {
    expect(decide({})).toEqual({ leave: true, differentSince: 1_000 });
    expect(decide({ pointer: pointerTo("0") }).leave).toBe(true);
  });

  it("with one slot leaves while its job runs: nothing stands idle meanwhile", () => {
    expect(decide({ slots: 1, runningCount: 1 }).leave).toBe(true);
  });

  it("with several slots stays while any is busy, but not for ever", () => {
    expect(decide({ runningCount: 1 })).toEqual({ leave: false, differentSince: 1_000 });
    expect(decide({ runningCount: 1, differentSince: 101 }).leave).toBe(false);
    expect(decide({ runningCount: 1, differentSince: 100 }).leave).toBe(true);
  });

  it("has a patience of its own, between the time that is set and twice that time", () => {
    expect([0, 0.5, 0.999].map((chance) => ownPatienceMs(1_000, chance))).toEqual([1_000, 1_500, 1_999]);
    expect(ownPatienceMs(0, 0.7)).toBe(0);
  });

  it("takes no answer for no news: neither a reason to leave, nor the end of one", () => {
    expect(decide({ pointer: undefined })).toEqual({ leave: false, differentSince: undefined });
    expect(decide({ pointer: undefined, differentSince: 100 })).toEqual({ leave: false, differentSince: 100 });
  });
});

describe("a release pointer", () => {
  it("is version, blob and hash; anything else is none", () => {
    expect(parseReleasePointer(JSON.stringify(pointerTo("7")))).toEqual(pointerTo("7"));
    for (const text of ["", "{", "[]", "{}", '{"version":"7"}', JSON.stringify({ ...pointerTo("7"), sha256: "0" })]) {
      expect(parseReleasePointer(text)).toBeUndefined();
    }
  });
});
