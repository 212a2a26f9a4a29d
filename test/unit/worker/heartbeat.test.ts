import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BeatResult, WorkerStore } from "../../../runtime/core/ports/worker-store.ts";
import { HEARTBEAT_MS, type WorkerRecord, type WorkerState } from "../../../runtime/core/job/worker-record.ts";
import { startHeartbeat } from "../../../runtime/worker/heartbeat.ts";
import { silentLog } from "../../support/silent.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The worker's row, with exact ETags; others leave wishes on it. */
function setUp({ lockMs = 60_000 } = {}) {
  let row: { value: WorkerRecord; etag: string } | undefined;
  let version = 0;
  let away = false;
  const beats: WorkerRecord[] = [];
  const workers: Pick<WorkerStore, "beat"> = {
    beat: (record, etag): Promise<BeatResult> => {
      if (away) return Promise.reject(new Error("storage away"));
      if (etag !== undefined && row?.etag !== etag) return Promise.resolve({ written: false, current: row });
      row = { value: record, etag: `v${++version}` };
      beats.push(record);
      return Promise.resolve({ written: true, etag: row.etag });
    },
  };
  const heard: string[] = [];
  let state: WorkerState = "running";
  let claims: string[] = [];
  let isProtected = false;
  const identity = { pool: "p", workerId: "w", bootId: "b1", startedAt: new Date(), slots: 2, version: "1" };
  const start = () =>
    startHeartbeat({
      workers,
      identity,
      state: () => state,
      claims: () => claims,
      isProtected: () => isProtected,
      onCancel: ({ claimId }) => heard.push(`cancel ${claimId}`),
      onDrain: () => heard.push("drain"),
      onReplaced: () => heard.push("replaced"),
      now: () => new Date(),
      lockMs,
      log: silentLog,
    });
  return {
    beats,
    heard,
    start,
    wish: (changes: Partial<WorkerRecord>) => {
      row = { value: { ...row!.value, ...changes }, etag: `v${++version}` };
    },
    set: (changes: { state?: WorkerState; claims?: string[]; away?: boolean; isProtected?: boolean }) => {
      state = changes.state ?? state;
      claims = changes.claims ?? claims;
      away = changes.away ?? away;
      isProtected = changes.isProtected ?? isProtected;
    },
    row: () => row!.value,
  };
}

describe("the heartbeat", () => {
  it("the heartbeat begins when its first beat is written", async () => {
    const { beats, start, set, wish, heard } = setUp();
    set({ away: true });
    let begun = false;
    const starting = start().finally(() => (begun = true));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(begun).toBe(false);
    set({ away: false });
    await vi.advanceTimersByTimeAsync(1_000);
    const heartbeat = await starting;
    expect(beats).toHaveLength(1);
    set({ claims: ["c"] });
    wish({ cancel: [{ jobId: "j", claimId: "c" }] });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(heard).toEqual(["cancel c"]);
    await heartbeat.stop();
  });

  it("the heartbeat writes what the worker runs, and at the end that it stopped", async () => {
    const { beats, start, set } = setUp();
    const heartbeat = await start();
    set({ claims: ["c1"] });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(beats.map(({ claims }) => claims)).toEqual([[], ["c1"]]);
    set({ state: "stopped", claims: [] });
    await heartbeat.stop();
    expect(beats.at(-1)).toMatchObject({ state: "stopped", claims: [] });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 3);
    expect(beats.length).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("the heartbeat acts once on wishes left on its row", async () => {
    const { heard, start, wish, row, set } = setUp();
    const heartbeat = await start();
    set({ claims: ["c1"] });
    wish({ cancel: [{ jobId: "j", claimId: "c1" }], drain: true });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(heard).toEqual(["cancel c1", "drain"]);
    expect(row()).toMatchObject({ cancel: [], drain: false });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(heard.length).toBe(2);
    await heartbeat.stop();
  });

  it("the heartbeat goes on after an outage and acts on wishes from meanwhile", async () => {
    const { heard, start, wish, set } = setUp();
    const heartbeat = await start();
    set({ away: true });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 3);
    wish({ cancel: [{ jobId: "j", claimId: "c1" }] });
    set({ away: false });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(heard).toEqual(["cancel c1"]);
    await heartbeat.stop();
  });

  it("the heartbeat stops when another process runs under the same name", async () => {
    const { beats, heard, start, wish } = setUp();
    await start();
    wish({ bootId: "b2" });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 3);
    expect(heard).toEqual(["replaced"]);
    expect(beats.length).toBe(1);
  });

  it("an idle worker writes its row every 15 s, and hears a wish to drain then", async () => {
    const { beats, heard, start, wish } = setUp();
    const heartbeat = await start();
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 6);
    expect(beats).toHaveLength(3);
    wish({ drain: true });
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 3);
    expect(heard).toEqual(["drain"]);
    await heartbeat.stop();
  });

  it("an idle worker writes its row at the next time when it has taken a job, when the job has ended, and when it drains", async () => {
    const { beats, start, set } = setUp();
    const heartbeat = await start();
    const changes: Parameters<typeof set>[0][] = [{ claims: ["c1"] }, {}, { claims: [] }, { state: "draining" }];
    for (const change of changes) {
      const { length } = beats;
      set(change);
      await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
      expect(beats).toHaveLength(length + 1);
    }
    expect(beats.slice(1).map(({ state, claims }) => [state, ...claims])).toEqual([
      ["running", "c1"],
      ["running", "c1"],
      ["running"],
      ["draining"],
    ]);
    await heartbeat.stop();
  });

  it("an idle worker says at the next time that the protection of its machine has changed", async () => {
    const { beats, start, set } = setUp();
    const heartbeat = await start();
    for (const isProtected of [true, false]) {
      set({ isProtected });
      await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
      expect(beats.at(-1)).toMatchObject({ isProtected });
    }
    expect(beats).toHaveLength(3);
    await heartbeat.stop();
  });

  it("an idle worker whose lock is short writes its row every time, so that it never looks silent", async () => {
    const { beats, start } = setUp({ lockMs: 12_000 });
    const heartbeat = await start();
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS * 3);
    expect(beats).toHaveLength(4);
    await heartbeat.stop();
  });
});
