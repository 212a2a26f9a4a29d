import { describe, expect, it } from "vitest";
import type { Holds } from "../../../runtime/core/admission/pause.ts";
import { startPauseBoard } from "../../../runtime/lifecycle/pause-board.ts";
import { silentLog } from "../../support/silent.ts";

const NONE: Holds = { pauses: [], runningLimits: [] };
const ofTenant = (tenantName: string): Holds => ({
  pauses: [{ subject: { kind: "tenant", tenantName }, pausedAt: new Date(0), pausedBy: "ada", reason: undefined }],
  runningLimits: [],
});

function setUp() {
  const reads: PromiseWithResolvers<Holds>[] = [];
  const board = startPauseBoard({
    pauses: {
      list: () => {
        const read = Promise.withResolvers<Holds>();
        reads.push(read);
        return read.promise;
      },
    },
    unreadable: { note: () => undefined },
    log: silentLog,
  });
  const paused = (): string[] => board.current().pauses.map(({ subject }) => JSON.stringify(subject));
  return { board, reads, paused };
}

const ACME = [JSON.stringify({ kind: "tenant", tenantName: "acme" })];

describe("what is paused, as a process knows it", () => {
  it("a read that began before another does not replace what that one found", async () => {
    const { board, reads, paused } = setUp();
    let changes = 0;
    board.onChange(() => {
      changes++;
    });
    const own = board.refresh();
    reads[1]?.resolve(ofTenant("acme"));
    await own;
    expect(paused()).toEqual(ACME);
    reads[0]?.resolve(NONE);
    await board.ready;
    expect(paused()).toEqual(ACME);
    expect(changes).toBe(1);
    board.stop();
  });

  it("what the older of two reads found counts until the newer one ends, also if that one fails", async () => {
    const { board, reads, paused } = setUp();
    const own = board.refresh();
    reads[0]?.resolve(ofTenant("acme"));
    await board.ready;
    expect(paused()).toEqual(ACME);
    reads[1]?.reject(new Error("away"));
    await expect(own).rejects.toThrow("away");
    expect(paused()).toEqual(ACME);
    const last = board.refresh();
    reads[2]?.resolve(NONE);
    await last;
    expect(paused()).toEqual([]);
    board.stop();
  });
});
