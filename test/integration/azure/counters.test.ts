/**
 * The shared property behind a batch's counts: whatever several writers do to the same rows at the same time, and
 * whatever the network does to their requests, the counters say what a full scan finds.
 */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createJobStore } from "../../../runtime/azure/index.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { JobStore, WriteResult } from "../../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import {
  addCounts,
  countChange,
  isTransitionAllowed,
  JOB_STATES,
  NO_COUNTS,
  type StateCounts,
} from "../../../runtime/core/job/states.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { seededRandom, type SeededRandom } from "../../support/seeded-random.ts";
import { type Fate, isTransaction, startStorageProxy, type StorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const WRITERS = 4;
const CALLERS_PER_WRITER = 8;
const OPERATIONS_PER_CALLER = 40;

/** What the random operations came to, so that a test that exercises nothing does not pass. */
interface Tally {
  operations: number;
  written: number;
  refused: number;
}

async function scan(store: JobStore, batch: Batch): Promise<StateCounts> {
  let counts = NO_COUNTS;
  let continuationToken: string | undefined;
  do {
    const page = await store.list(batch, { pageSize: 100, continuationToken });
    counts = page.items.map(({ state }) => countChange(undefined, state)).reduce(addCounts, counts);
    ({ continuationToken } = page);
  } while (continuationToken !== undefined);
  return counts;
}

/** One caller: knows rows as it last saw them, which others may have changed since. */
async function runCaller(
  store: JobStore,
  batch: Batch,
  shared: Job[],
  random: SeededRandom,
  tally: Tally,
): Promise<void> {
  const seen = new Map<string, Stored<Job>>();

  async function insert(): Promise<WriteResult | undefined> {
    // Sometimes an id somebody else has inserted already, or is inserting.
    const job = shared.length > 0 && random.chance(0.3) ? random.pick(shared) : jobOf({}, batch);
    if (!shared.includes(job)) shared.push(job);
    const result = await store.insert(job).catch(unknownFate);
    if (result?.written === true) seen.set(job.jobId, { value: job, etag: result.etag });
    return result;
  }

  async function change({ jobId }: Job): Promise<WriteResult | undefined> {
    const stored = seen.get(jobId) ?? (await store.get(jobId));
    if (stored === undefined) return undefined;
    const from = stored.value.state;
    const to = random.pick(JOB_STATES.filter((state) => isTransitionAllowed(from, state)));
    const changes = { packageHash: randomUUID() };
    const result = await store.update({ jobId, etag: stored.etag, from, to, changes });
    if (result.written) seen.set(jobId, { value: { ...stored.value, ...changes, state: to }, etag: result.etag });
    else if (result.current === undefined) seen.delete(jobId);
    else seen.set(jobId, result.current);
    return result;
  }

  for (let count = 0; count < OPERATIONS_PER_CALLER; count++) {
    const result = shared.length === 0 || random.chance(0.2) ? await insert() : await change(random.pick(shared));
    if (result === undefined) continue;
    tally.operations++;
    if (result.written) tally.written++;
    else tally.refused++;
  }
}

/** An insert that nobody could be told about, and that may still land. */
function unknownFate(error: unknown): undefined {
  if (!(error instanceof UnavailableError)) throw error;
}

/** All writers at once, each with clients of its own, over its own network if there is one. */
async function runWriters(networks: readonly StorageProxy[], batch: Batch, random: SeededRandom): Promise<Tally> {
  const tally: Tally = { operations: 0, written: 0, refused: 0 };
  const shared: Job[] = [];
  const callers = Array.from({ length: WRITERS }, (_, index) => {
    const storage = testStorage(networks[index]?.connectionString);
    const store = createJobStore({ storage, writerId: `writer-${index}` });
    return Array.from({ length: CALLERS_PER_WRITER }, () => runCaller(store, batch, shared, random.fork(), tally));
  });
  await Promise.all(callers.flat());
  return tally;
}

async function expectExactCounts(batch: Batch): Promise<void> {
  const store = createJobStore({ storage: testStorage(), writerId: "reader" });
  expect(await store.counts(batch)).toEqual(await scan(store, batch));
}

/**
 * Faults for a share of a writer's transactions; held ones are let go at any later time. Some spells are so long that
 * the writer gives up and goes on, so that what it gave up may still land.
 */
function disturb(network: StorageProxy, random: SeededRandom, met: Set<Fate>): void {
  let spell: Fate[] = [];
  network.decide = (request) => {
    if (!isTransaction(request)) return random.chance(0.01) ? "drop" : "pass";
    if (random.chance(0.05)) void network.releaseLate();
    if (spell.length === 0 && random.chance(0.12)) {
      const fate = random.pick<Fate>(["drop", "lose", "late", "late", "fail", "fail-after"]);
      spell = Array.from({ length: random.pick([1, 3]) }, () => fate);
    }
    const fate = spell.pop() ?? "pass";
    met.add(fate);
    return fate;
  };
}

describe("counters of several writers that race for the same rows", () => {
  it("equal a full scan", async () => {
    const batch = batchOf({ tenantName: freshTenant(), shardCount: 4 });
    const tally = await runWriters([], batch, seededRandom(1));
    expect(tally.operations).toBeGreaterThan(1_000);
    expect(tally.written).toBeGreaterThan(300);
    expect(tally.refused).toBeGreaterThan(100);
    await expectExactCounts(batch);
  });

  it("equal a full scan when requests and answers are lost, fail or come late", async () => {
    const random = seededRandom(2);
    const batch = batchOf({ tenantName: freshTenant() });
    await using stack = new AsyncDisposableStack();
    const met = new Set<Fate>();
    const networks = await Promise.all(Array.from({ length: WRITERS }, () => startStorageProxy()));
    for (const network of networks) disturb(stack.use(network), random.fork(), met);
    const tally = await runWriters(networks, batch, random);
    await expectExactCounts(batch);
    for (const network of networks) await network.releaseLate();
    await expectExactCounts(batch);
    expect(tally.operations).toBeGreaterThan(1_000);
    expect([...met].sort()).toEqual(["drop", "fail", "fail-after", "late", "lose", "pass"]);
  });
});
