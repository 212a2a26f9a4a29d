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
  it("a worker goes on while the pointer names its own version", () => {
    expect(decide({ pointer: pointerTo("1"), differentSince: 5 })).toEqual({ leave: false, differentSince: undefined });
  });

  it("an idle worker leaves for any other version", () => {
    expect(decide({})).toEqual({ leave: true, differentSince: 1_000 });
    expect(decide({ pointer: pointerTo("0") }).leave).toBe(true);
  });

  it("a worker with one slot leaves while its job runs", () => {
    expect(decide({ slots: 1, runningCount: 1 }).leave).toBe(true);
  });

  it("a worker with several slots waits for its jobs, but not for ever", () => {
    expect(decide({ runningCount: 1 })).toEqual({ leave: false, differentSince: 1_000 });
    expect(decide({ runningCount: 1, differentSince: 101 }).leave).toBe(false);
    expect(decide({ runningCount: 1, differentSince: 100 }).leave).toBe(true);
  });

  it("each worker's patience is between one and two times the setting", () => {
    expect([0, 0.5, 0.999].map((chance) => ownPatienceMs(1_000, chance))).toEqual([1_000, 1_500, 1_999]);
    expect(ownPatienceMs(0, 0.7)).toBe(0);
  });

  it("a missing answer is no reason to leave and none to stay", () => {
    expect(decide({ pointer: undefined })).toEqual({ leave: false, differentSince: undefined });
    expect(decide({ pointer: undefined, differentSince: 100 })).toEqual({ leave: false, differentSince: 100 });
  });
});

describe("a release pointer", () => {
  it("a release pointer has version, blob and hash", () => {
    expect(parseReleasePointer(JSON.stringify(pointerTo("7")))).toEqual(pointerTo("7"));
    for (const text of ["", "{", "[]", "{}", '{"version":"7"}', JSON.stringify({ ...pointerTo("7"), sha256: "0" })]) {
      expect(parseReleasePointer(text)).toBeUndefined();
    }
  });
});
