import { describe, expect, it, vi } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { IndexMove } from "../../../runtime/core/ports/job-index.ts";
import { createJobIndexer, indexedJobs, type JobIndexerDeps } from "../../../runtime/lifecycle/job-indexer.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { eventuallyTrue } from "../../support/eventually.ts";
import { silentLog } from "../../support/silent.ts";
import { createMemoryJobs } from "../../support/stores/memory-jobs.ts";
import { claimAndEnd, claimRow, endRow } from "../../support/stores/row-moves.ts";

const steps = (moves: readonly IndexMove[]) => moves.map(({ jobId, from, to }) => `${jobId} ${from ?? "-"} ${to}`);

function lab(options: Partial<JobIndexerDeps> = {}) {
  const written: IndexMove[][] = [];
  const clock = { time: 0, down: false };
  const jobs = createMemoryJobs();
  const indexer = createJobIndexer({
    index: {
      write(moves) {
        if (clock.down) return Promise.reject(new UnavailableError("StorageUnavailable", "down"));
        written.push([...moves]);
        return Promise.resolve();
      },
    },
    ...{ jobs, lingerMs: 1_000_000, monotonicNow: () => clock.time, log: silentLog },
    ...options,
  });
  return { indexer, jobs, written, clock };
}

const FACTS = { jobType: "Echo", tags: ["a"] };
const moveOf = (jobId: string, fields: Partial<IndexMove> = {}): IndexMove => ({
  ...{ jobId, facts: FACTS, from: undefined, to: "queued", runAt: undefined },
  ...fields,
});

describe("job indexer", () => {
  it("changes of one job that wait together are noted as one", async () => {
    const { indexer, written } = lab();
    indexer.note(moveOf("a", { from: "queued", to: "running" }));
    indexer.note(moveOf("b"));
    indexer.note(moveOf("a", { from: "running", to: "failed" }));
    await indexer.flush();
    expect(written.map(steps)).toEqual([["b - queued", "a queued failed"]]);
    indexer.note(moveOf("b", { facts: { jobType: "Echo", tags: ["b"] }, from: "queued", tagsBefore: ["a"] }));
    indexer.note({ jobId: "b", from: "queued", to: "canceled", runAt: undefined });
    await indexer.close();
    expect(written.at(-1)).toEqual([
      {
        ...moveOf("b", { from: "queued", to: "canceled", tagsBefore: ["a"] }),
        facts: { jobType: "Echo", tags: ["b"] },
      },
    ]);
  });

  it("a change waits for others, but no longer than its time", async () => {
    vi.useFakeTimers();
    try {
      const { indexer, written, clock } = lab({ lingerMs: 1_000 });
      indexer.note(moveOf("a"));
      clock.time = 900;
      indexer.note(moveOf("b"));
      clock.time = 1_000;
      await vi.advanceTimersByTimeAsync(1_000);
      expect(written.map(steps)).toEqual([["a - queued"]]);
      clock.time = 2_000;
      await vi.advanceTimersByTimeAsync(1_000);
      expect(written.map(steps)).toEqual([["a - queued"], ["b - queued"]]);
      expect(indexer.waitingCount).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("what cannot be written is kept with its later changes, up to a bound", async () => {
    const { indexer, written, clock } = lab({ waitingMax: 2 });
    clock.down = true;
    indexer.note(moveOf("a"));
    const failing = indexer.flush();
    await eventuallyTrue(() => indexer.waitingCount === 1);
    indexer.note(moveOf("a", { from: "queued", to: "running" }));
    indexer.note(moveOf("b"));
    indexer.note(moveOf("c"));
    expect(indexer.waitingCount).toBe(2);
    clock.down = false;
    await indexer.close();
    await failing;
    expect(written.flat().map(({ jobId, from, to }) => [jobId, from, to])).toEqual([
      ["a", undefined, "running"],
      ["b", undefined, "queued"],
    ]);
  });

  it("of a job that its writer does not know the row is read", async () => {
    const { indexer, jobs, written } = lab();
    const job = jobOf({ jobType: "Known", tags: ["x"] });
    await jobs.insert(job);
    indexer.note({ jobId: job.jobId, from: "queued", to: "running", runAt: undefined });
    indexer.note({ jobId: jobOf().jobId, from: "queued", to: "running", runAt: undefined });
    await indexer.flush();
    expect(written).toMatchObject([[{ jobId: job.jobId, facts: { jobType: "Known", tags: ["x"] } }]]);
  });

  it("every change of state or tags that is written is noted, and no other", async () => {
    const { indexer, jobs, written } = lab();
    const indexed = indexedJobs(jobs, indexer);
    const batch = batchOf();
    const [one, two] = [jobOf({ tags: ["x"] }, batch), jobOf({}, batch)];
    await indexed.insert(one);
    await indexed.insert(one);
    await indexed.insert(two);
    await indexer.flush();
    await claimRow(indexed, one.jobId);
    await indexer.flush();
    const row = (await jobs.get(one.jobId))!;
    const progress = { from: "running", to: "running", changes: { progress: { fraction: 0.5 } } } as const;
    const { jobId } = one;
    expect(await indexed.update({ jobId, etag: row.etag, ...progress })).toMatchObject({ written: true });
    expect(await indexed.update({ jobId, etag: row.etag, ...progress })).toMatchObject({ written: false });
    const { etag } = (await jobs.get(jobId))!;
    const tags = { from: "running", to: "running", changes: { tags: ["y"] }, facts: one } as const;
    await indexed.update({ jobId, etag, ...tags });
    await endRow(indexed, jobId, "failed");
    await claimAndEnd(indexed, two.jobId, "succeeded");
    await indexer.flush();
    expect(written.map(steps)).toEqual([
      [`${jobId} - queued`, `${two.jobId} - queued`],
      [`${jobId} queued running`],
      [`${jobId} running failed`, `${two.jobId} queued succeeded`],
    ]);
    expect(written[2]![0]).toMatchObject({ facts: { tags: ["y"] }, tagsBefore: ["x"] });
  });
});
