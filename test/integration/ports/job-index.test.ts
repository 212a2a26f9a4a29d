/** The contract of core/ports/job-index.ts. */
import { describe, expect, it } from "vitest";
import { createIdSource } from "../../../runtime/core/job/ids.ts";
import type { IndexMove, IndexPlace, IndexRange, JobIndex } from "../../../runtime/core/ports/job-index.ts";
import { batchOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let clock = Date.parse("2026-03-01T08:00:00Z");
const ids = createIdSource({ now: () => new Date(clock), random32: () => Math.floor(Math.random() * 2 ** 32) });
const SECOND = 1_000;

/** Jobs submitted a second apart, oldest first. */
function jobsOf(tenantName: string, count: number, fields: (number: number) => Partial<IndexMove> = () => ({})) {
  const { batchId } = batchOf({ tenantName });
  return Array.from({ length: count }, (_, number): IndexMove & { readonly at: Date } => {
    clock += SECOND;
    const facts = { jobType: "Echo", tags: [] };
    const jobId = ids.jobId(batchId, 1);
    return { jobId, facts, from: undefined, to: "queued", runAt: undefined, at: new Date(clock), ...fields(number) };
  });
}
const idsOf = (moves: readonly IndexMove[]): readonly string[] => moves.map(({ jobId }) => jobId).toReversed();

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { index } = start()();
  const read = async (place: IndexPlace, range: Partial<IndexRange> = {}, from: JobIndex = index) =>
    (await from.read(place, { limit: 1_000, ...range })).map(({ jobId }) => jobId);

  it("more jobs than a transaction takes are read newest first, page by page", async () => {
    const tenantName = freshTenant();
    const moves = jobsOf(tenantName, 250);
    await index.write(moves);
    const place = { tenantName, state: "queued" } as const;
    expect(await read(place)).toEqual(idsOf(moves));
    const seen: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await index.read(place, { limit: 100, after });
      seen.push(...page.map(({ jobId }) => jobId));
      after = page.at(-1)?.position;
      if (page.length < 100) break;
    }
    expect(seen).toEqual(idsOf(moves));
    expect(await read({ tenantName: `${tenantName}x`.slice(0, 15), state: "queued" })).toEqual([]);
  });

  it("a job moves from state to state, and each write can be repeated", async () => {
    const tenantName = freshTenant();
    const [move] = jobsOf(tenantName, 1);
    const ended = { ...move!, from: "queued", to: "failed" } as const;
    for (const step of [move!, move!, ended, ended]) await index.write([step]);
    expect(await read({ tenantName, state: "failed" })).toEqual([move!.jobId]);
    expect(await read({ tenantName, state: "queued" })).toEqual([]);
    // Some were noted before, others were not.
    const others = jobsOf(tenantName, 3);
    await index.write(others.slice(0, 1));
    await index.write(others.map((one) => ({ ...one, from: "queued", to: "succeeded" })));
    expect(await read({ tenantName, state: "succeeded" })).toEqual(idsOf(others));
    expect(await read({ tenantName, state: "queued" })).toEqual([]);
  });

  it("ranges choose by type, batch, tag, start and time", async () => {
    const tenantName = freshTenant();
    const at = new Date("2030-01-01T00:00:00Z");
    const moves = jobsOf(tenantName, 6, (number) => ({
      facts: {
        jobType: number % 2 === 0 ? "Even" : "O'Dd",
        tags: number < 2 ? ["x", "customer:4711"] : ["customer:471"],
      },
      runAt: number === 5 ? at : undefined,
    }));
    const [elsewhere] = jobsOf(tenantName, 1);
    await index.write([...moves, elsewhere!]);
    const place = { tenantName, state: "queued" } as const;
    const id = (...numbers: readonly number[]) => numbers.map((number) => moves[number]!.jobId);
    expect(await read(place, { jobType: "O'Dd" })).toEqual(id(5, 3, 1));
    expect(await read(place, { tag: "customer:4711" })).toEqual(id(1, 0));
    expect(await read(place, { tag: "customer:4711", jobType: "Even" })).toEqual(id(0));
    expect(await read(place, { startsAfter: new Date(at.getTime() - 1) })).toEqual(id(5));
    expect(await read(place, { startsAfter: at })).toEqual([]);
    expect((await index.read(place, { limit: 2 })).map(({ runAt }) => runAt)).toEqual([undefined, at]);
    const { batchId } = batchOf({ tenantName });
    expect(await read(place, { batchId })).toEqual([]);
    expect(await read(place, { batchId: moves[0]!.jobId.split(".").slice(0, 2).join(".") })).toEqual(
      id(5, 4, 3, 2, 1, 0),
    );
    expect(await read(place, { since: moves[4]!.at, until: elsewhere!.at })).toEqual(id(5, 4));
    expect(await read(place, { until: moves[1]!.at })).toEqual(id(0));
    for (const tag of ["customer:4711", "x"]) expect(await read({ tenantName, tag })).toEqual(id(1, 0));
    expect(await read({ tenantName, tag: "customer:471" }, { jobType: "Even", since: moves[3]!.at })).toEqual(id(4));
    expect(await read({ tenantName, tag: "customer" })).toEqual([]);
    const all = { jobType: "Even", batchId, tag: "x", since: at, until: at, after: "0" };
    expect(await read(place, all)).toEqual([]);
  });

  it("changed tags are found, and those that were removed are not", async () => {
    const tenantName = freshTenant();
    const [move] = jobsOf(tenantName, 1, () => ({ facts: { jobType: "Echo", tags: ["a", "b"] } }));
    await index.write([move!]);
    await index.write([
      { ...move!, from: "queued", facts: { jobType: "Echo", tags: ["b", "c"] }, tagsBefore: ["a", "b"] },
    ]);
    expect(await read({ tenantName, tag: "a" })).toEqual([]);
    for (const tag of ["b", "c"]) expect(await read({ tenantName, tag })).toEqual([move!.jobId]);
    expect(await read({ tenantName, state: "queued" }, { tag: "a" })).toEqual([]);
    expect(await read({ tenantName, state: "queued" }, { tag: "c" })).toEqual([move!.jobId]);
  });

  it("jobs can be removed entirely, and stale entries one by one", async () => {
    const tenantName = freshTenant();
    const tagged = jobsOf(tenantName, 130, () => ({ facts: { jobType: "Echo", tags: ["a"] } }));
    await index.write(tagged);
    const [first, ...others] = tagged;
    await index.remove(others.map(({ jobId }) => ({ jobId, tags: ["a"] })));
    const places = [{ tenantName, state: "queued" } as const, { tenantName, tag: "a" }];
    for (const place of places) expect(await read(place)).toEqual([first!.jobId]);
    for (const place of places) await index.removeFrom(place, [first!.jobId, others[0]!.jobId]);
    for (const place of places) expect(await read(place)).toEqual([]);
  });
});
