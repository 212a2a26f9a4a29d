import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type JobLimits, limitKeyOf } from "../../../../runtime/core/admission/limit.ts";
import { LIMIT_KEY_MAX_LENGTH } from "../../../../runtime/core/limits.ts";
import type { Job } from "../../../../runtime/core/job/job.ts";
import type { OutgoingBell, ReceivedMessage } from "../../../../runtime/core/ports/job-queue.ts";
import { outgoingBell } from "../../../../runtime/core/ports/job-queue.ts";
import { createLimits } from "../../../../runtime/lifecycle/limits/limits.ts";
import { createBehindFront } from "../../../../runtime/lifecycle/limits/wake-line.ts";
import { waitsFor } from "../../../../runtime/lifecycle/limits/waits-for.ts";
import { type Claimed, claimJob } from "../../../../runtime/worker/attempt/claim.ts";
import { jobOf } from "../../../support/builders.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { silentEvents, silentLog } from "../../../support/silent.ts";
import { createMemoryJobs } from "../../../support/stores/memory-jobs.ts";
import { createMemoryLines } from "../../../support/stores/memory-lines.ts";

const LOCK_MS = 30_000;
const NOW = 1_700_000_000_000;

interface Counted {
  reads: number;
  writes: number;
}

/** A broker that drops a MessageId it knows, and workers' parts over tables in memory. */
function world(limits: JobLimits | undefined, quota?: number) {
  const jobs = createMemoryJobs();
  const lines = createMemoryLines();
  const counted: Counted = { reads: 0, writes: 0 };
  const counting = new Proxy(lines, {
    get(target, name: keyof typeof lines): unknown {
      if (name === "write" || name === "remove") counted.writes++;
      else counted.reads++;
      return Reflect.get(target, name);
    },
  });
  const waiting: OutgoingBell[] = [];
  const known = new Set<string>();
  const queue = {
    send(_queue: string, bells: readonly OutgoingBell[]) {
      for (const bell of bells) {
        if (known.has(bell.messageId)) continue;
        known.add(bell.messageId);
        waiting.push(bell);
      }
      return Promise.resolve();
    },
  };
  let declared = limits;
  let runningAtOnce = quota;
  const noted: string[] = [];
  const waitingNotes = {
    note: (name: string, batchId: string) => Promise.resolve(void noted.push(`${name} ${batchId}`)),
  };
  const runningLimitOf = (): number | undefined => runningAtOnce;
  const parts = () =>
    createLimits({
      ...{ jobs, lines: counting, queue, waiting: waitingNotes, pool: "default", lockMs: LOCK_MS, runningLimitOf },
      limitsOf: () => Promise.resolve(declared),
    });
  let claims = 0;
  const one = parts();
  async function claim({ bell, messageId }: OutgoingBell, using = one, now = NOW): Promise<Claimed | undefined> {
    const delivery = {
      ...{ parsed: { kind: "bell", bell }, messageId, queue: "jobs-default-normal", sequenceNumber: messageId },
      ...{ deliveryCount: 1, enqueuedAt: now, lockedUntil: now + LOCK_MS, renew: () => Promise.resolve(0) },
      ...{ complete: () => Promise.resolve(), abandon: () => Promise.resolve(), deadLetter: () => Promise.resolve() },
    } satisfies ReceivedMessage;
    const completion = { afterJobEnded: () => Promise.resolve(), reopenBatch: () => Promise.resolve() };
    const deps = { jobs, queue, completion, events: silentEvents, limits: using, log: silentLog };
    const worker = { workerId: "w1", bootId: "b1", now: () => new Date(now) };
    const request = { delivery, bell, claimId: `claim-${++claims}` };
    return claimJob(request, { ...deps, ...worker }, new AbortController().signal);
  }
  return {
    ...{ jobs, lines, queue, waiting, counted, claim, one, parts, noted, runningLimitOf },
    allow: (next: number | undefined) => void (runningAtOnce = next),
    declare: (next: JobLimits | undefined) => void (declared = next),
    async submit(fields: Partial<Job> = {}): Promise<Job> {
      const job = jobOf({ concurrencyKey: "k", ...fields });
      const result = await jobs.insert(job);
      if (result.written) await queue.send("", [outgoingBell({ value: job, etag: result.etag })]);
      return job;
    },
    async end({ jobId, etag, start }: Claimed, to: "succeeded" | "queued" = "succeeded", using = one) {
      const row = (await jobs.get(jobId))!.value;
      const changes = to === "queued" ? { ring: row.ring + 1, claim: undefined } : {};
      const result = await jobs.update({ jobId, etag, from: "running", to, changes });
      const { jobType, concurrencyKey } = start;
      if (to === "queued" && result.written) {
        await queue.send("", [outgoingBell({ value: { ...row, ...changes, state: to }, etag: result.etag })]);
      }
      await using.left({ jobId, jobType, concurrencyKey });
    },
    async stateOf({ jobId }: Pick<Job, "jobId">) {
      return (await jobs.get(jobId))!.value.state;
    },
  };
}

type World = ReturnType<typeof world>;
const take = ({ waiting }: World): OutgoingBell => {
  const bell = waiting.shift();
  if (bell === undefined) throw new Error("No message is there.");
  return bell;
};

describe("a limit of jobs at once", () => {
  it("costs one write and two reads of its table while there is room, and nothing where none is declared", async () => {
    const limited = world({ concurrency: { max: 2 } });
    await limited.submit();
    const claimed = await limited.claim(take(limited));
    await limited.end(claimed!);
    expect(limited.counted).toEqual({ reads: 2, writes: 1 });
    const free = world({ concurrency: { max: 2 } });
    await free.submit({ concurrencyKey: undefined });
    await free.end((await free.claim(take(free)))!);
    expect(free.counted).toEqual({ reads: 0, writes: 0 });
  });

  it("costs one write for a job that waits too, and starts it in the order of joining", async () => {
    const at = world({ concurrency: { max: 1 } });
    const [first, second, third] = [await at.submit(), await at.submit(), await at.submit()];
    const running = await at.claim(take(at));
    expect(running?.jobId).toBe(first.jobId);
    expect(await at.claim(take(at))).toBeUndefined();
    expect(await at.claim(take(at))).toBeUndefined();
    expect(at.waiting).toEqual([]);
    expect(await waitsFor((await at.jobs.get(third.jobId))!.value, { ...at, now: () => new Date(NOW) })).toBe(
      "limit: concurrency, key k",
    );
    await at.end(running!);
    const next = await at.claim(take(at));
    expect(next?.jobId).toBe(second.jobId);
    await at.end(next!);
    const last = await at.claim(take(at));
    expect(last?.jobId).toBe(third.jobId);
    expect(at.counted.writes).toBe(3);
  });

  it("gives the place of a retried job to the next, and lets the retried one in again behind it", async () => {
    const at = world({ concurrency: { max: 1 } });
    const [retried, other] = [await at.submit(), await at.submit()];
    const running = await at.claim(take(at));
    expect(await at.claim(take(at))).toBeUndefined();
    await at.end(running!, "queued");
    const [again, rung] = [take(at), take(at)];
    expect(await at.claim(again)).toBeUndefined();
    const next = await at.claim(rung);
    expect(next?.jobId).toBe(other.jobId);
    await at.end(next!);
    expect((await at.claim(take(at)))?.jobId).toBe(retried.jobId);
  });

  it("keeps keys and tenants apart", async () => {
    const at = world({ concurrency: { max: 1 } });
    await at.submit();
    await at.submit({ concurrencyKey: "other" });
    expect([await at.claim(take(at)), await at.claim(take(at))].every(Boolean)).toBe(true);
  });

  it("lets more in when the package allows more, and holds the strictest limit while the package cannot be read", async () => {
    const at = world({ concurrency: { max: 1 } });
    await at.submit();
    await at.submit();
    await at.submit();
    await at.claim(take(at));
    expect(await at.claim(take(at))).toBeUndefined();
    at.declare({ concurrency: { max: 2 } });
    // The third raises the limit, and rings for the second.
    expect(await at.claim(take(at))).toBeUndefined();
    expect(await at.claim(take(at))).toBeDefined();
  });

  it("says which jobs need no bell: those behind the front", async () => {
    const at = world({ concurrency: { max: 1 } });
    const [, second] = [await at.submit(), await at.submit()];
    const isBehindFront = createBehindFront({ ...at, monotonicNow: () => 0 });
    expect(await isBehindFront(second)).toBe(false);
    const running = await at.claim(take(at));
    await at.claim(take(at));
    expect(await isBehindFront(second)).toBe(true);
    await at.end(running!);
    expect(await createBehindFront({ ...at, monotonicNow: () => 0 })(second)).toBe(false);
  });

  it.each([1, 2, 3])(
    "never runs more than it may, and ends all, with workers that race and die (seed %i)",
    async (seed) => {
      const max = seed;
      const at = world({ concurrency: { max } });
      const random = seededRandom(seed);
      const jobs = await Promise.all(Array.from({ length: 60 }, () => at.submit()));
      let running = 0;
      let most = 0;
      let open = jobs.length;
      const pause = async () => {
        for (let turns = Math.floor(random.next() * 4); turns > 0; turns--) await setImmediate();
      };
      async function slot(): Promise<void> {
        // Of another process: it shares no turn with the others.
        const limits = at.parts();
        for (let idle = 0; open > 0 && idle < 5_000;) {
          const bell = at.waiting.shift();
          if (bell === undefined) {
            idle++;
            await setImmediate();
            continue;
          }
          idle = 0;
          await pause();
          const claimed = await at.claim(bell, limits);
          // Its lock ends, and the message comes again: a claim that it made is taken over.
          if (random.next() < 0.1) {
            at.waiting.push(bell);
            continue;
          }
          if (claimed === undefined) continue;
          most = Math.max(most, ++running);
          await pause();
          running--;
          const to = random.next() < 0.2 ? "queued" : "succeeded";
          await at.end(claimed, to, limits);
          if (to === "succeeded") open--;
        }
      }
      await Promise.all(Array.from({ length: 8 }, slot));
      expect(open).toBe(0);
      expect(await Promise.all(jobs.map((job) => at.stateOf(job)))).toEqual(jobs.map(() => "succeeded"));
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThanOrEqual(max);
    },
  );
});

/** Ends what runs, then claims what is rung for, until nothing is. Resolves to the order of the starts. */
async function drain(at: World, running: Claimed[]): Promise<readonly string[]> {
  const order: string[] = [];
  while (running.length > 0 || at.waiting.length > 0) {
    while (at.waiting.length > 0) {
      const claimed = await at.claim(take(at));
      if (claimed === undefined) continue;
      order.push(claimed.jobId);
      running.push(claimed);
    }
    const next = running.shift();
    if (next !== undefined) await at.end(next);
  }
  return order;
}

describe("a quota of jobs at once", () => {
  it("holds the jobs of a tenant together, of whatever type and key they are, in the order of their coming", async () => {
    const at = world(undefined, 2);
    const jobs = [
      await at.submit({ jobType: "A", concurrencyKey: undefined }),
      await at.submit({ jobType: "B" }),
      await at.submit({ jobType: "C", concurrencyKey: undefined }),
      await at.submit({ jobType: "A" }),
    ];
    const running = [(await at.claim(take(at)))!, (await at.claim(take(at)))!];
    expect([await at.claim(take(at)), await at.claim(take(at))]).toEqual([undefined, undefined]);
    const waits = { ...at, now: () => new Date(NOW) };
    expect(await waitsFor((await at.jobs.get(jobs[2]!.jobId))!.value, waits)).toBe(
      "quota: 2 jobs of acme running at once",
    );
    expect(await drain(at, running)).toEqual([jobs[2]!.jobId, jobs[3]!.jobId]);
  });

  it("costs one write for each job, also for one that waits, and nothing where there is none", async () => {
    const at = world(undefined, 1);
    await at.submit({ concurrencyKey: undefined });
    await at.submit({ concurrencyKey: undefined });
    const running = (await at.claim(take(at)))!;
    await at.claim(take(at));
    await drain(at, [running]);
    expect(at.counted.writes).toBe(2);
    const free = world(undefined);
    await free.submit({ concurrencyKey: undefined });
    await free.end((await free.claim(take(free)))!);
    expect(free.counted).toEqual({ reads: 0, writes: 0 });
  });

  it("lets more in when it grows, all when it is gone, and says so to who looks for lost bells", async () => {
    const at = world(undefined, 1);
    const jobs: Job[] = [];
    for (let n = 0; n < 4; n++) jobs.push(await at.submit({ concurrencyKey: undefined }));
    await at.claim(take(at));
    for (let n = 0; n < 3; n++) expect(await at.claim(take(at))).toBeUndefined();
    const isBehind = async () => {
      const isBehindFront = createBehindFront({ ...at, monotonicNow: () => 0 });
      return Promise.all(jobs.map((job) => isBehindFront(job)));
    };
    expect(await isBehind()).toEqual([false, true, true, true]);
    at.allow(3);
    expect(await isBehind()).toEqual([false, false, false, true]);
    at.allow(undefined);
    expect(await isBehind()).toEqual([false, false, false, false]);
  });

  it("notes the batch of the next job where that is of another pool, whose queue this worker may not send to", async () => {
    const at = world(undefined, 1);
    await at.submit({ concurrencyKey: undefined });
    const other = await at.submit({ concurrencyKey: undefined, pool: "gpu" });
    const running = (await at.claim(take(at)))!;
    expect(await at.claim(take(at))).toBeUndefined();
    await at.end(running);
    expect(at.waiting).toEqual([]);
    expect(at.noted).toEqual([`jobs-gpu-normal ${other.batchId}`]);
  });

  it("and a limit of a key that shrinks meanwhile do not wait for each other", async () => {
    const at = world({ concurrency: { max: 2 } }, 1);
    const blocker = await at.submit({ concurrencyKey: undefined, jobType: "Other" });
    const [first, second] = [await at.submit(), await at.submit()];
    const running = (await at.claim(take(at)))!;
    expect(running.jobId).toBe(blocker.jobId);
    // Both have a place of their key. The second comes first into the line of the tenant.
    const bells = [take(at), take(at)];
    const name = { tenantName: "acme", jobType: first.jobType, kind: "concurrency", key: "k" } as const;
    const place = { ticket: 1, jobId: first.jobId, ring: 1, waits: false };
    await at.lines.write(name, { head: { max: 2, era: 0, nextTicket: 2, taken: [] }, etag: undefined, join: place });
    expect(await at.claim(bells[1]!)).toBeUndefined();
    expect(await at.claim(bells[0]!)).toBeUndefined();
    at.declare({ concurrency: { max: 1 } });
    expect(await drain(at, [running])).toEqual([second.jobId, first.jobId]);
  });

  it.each([1, 2, 3])(
    "beside limits of keys, with workers that race and die: none is exceeded, all end (seed %i)",
    async (seed) => {
      const [quota, max] = [2 + (seed % 2), 2];
      const at = world({ concurrency: { max } }, quota);
      const random = seededRandom(seed);
      const jobs = await Promise.all(
        Array.from({ length: 60 }, (_, n) => at.submit({ concurrencyKey: [undefined, "a", "b"][n % 3] })),
      );
      const running = new Map<string, string | undefined>();
      let open = jobs.length;
      let most = 0;
      async function slot(): Promise<void> {
        const limits = at.parts();
        for (let idle = 0; open > 0 && idle < 5_000;) {
          const bell = at.waiting.shift();
          if (bell === undefined) {
            idle++;
            await setImmediate();
            continue;
          }
          idle = 0;
          const claimed = await at.claim(bell, limits);
          if (random.next() < 0.1) {
            at.waiting.push(bell);
            continue;
          }
          if (claimed === undefined) continue;
          const { concurrencyKey } = claimed.start;
          running.set(claimed.jobId, concurrencyKey);
          most = Math.max(most, running.size);
          const ofKey = [...running.values()].filter((key) => key === concurrencyKey).length;
          expect(concurrencyKey === undefined || ofKey <= max).toBe(true);
          for (let turns = Math.floor(random.next() * 4); turns > 0; turns--) await setImmediate();
          running.delete(claimed.jobId);
          const to = random.next() < 0.2 ? "queued" : "succeeded";
          await at.end(claimed, to, limits);
          if (to === "succeeded") open--;
        }
      }
      await Promise.all(Array.from({ length: 8 }, slot));
      expect(open).toBe(0);
      expect(most).toBeGreaterThan(1);
      expect(most).toBeLessThanOrEqual(quota);
    },
  );
});

describe("a limit of starts per time", () => {
  it("starts as many as may, and gives the others a time, at which they start", async () => {
    const at = world({ rate: { max: 2, perSeconds: 10 } });
    for (let n = 0; n < 3; n++) await at.submit({ concurrencyKey: undefined, rateKey: "k" });
    expect([await at.claim(take(at)), await at.claim(take(at))].every(Boolean)).toBe(true);
    expect(await at.claim(take(at))).toBeUndefined();
    const later = take(at);
    expect(later.enqueueAt?.getTime()).toBe(NOW + 10_000);
    expect(await at.claim(later, at.one, NOW + 10_000)).toBeDefined();
    expect(at.counted.writes).toBe(3);
  });
});

describe("the key of a job", () => {
  it.each([
    [{ customer: "c-1" }, "c-1"],
    [{ customer: 7 }, "7"],
    [{}, "*"],
    [{ customer: null }, "*"],
    [null, "*"],
    [[], "*"],
  ])("of %j is %s", (parameters, key) => {
    expect(limitKeyOf({ key: "parameters.customer" }, parameters)).toBe(key);
  });

  it("reads nested parameters, no inherited ones, and replaces long values", () => {
    expect(limitKeyOf({ key: "parameters.a.b" }, { a: { b: "x" } })).toBe("x");
    expect(limitKeyOf({ key: "parameters.constructor" }, {})).toBe("*");
    expect(limitKeyOf({ key: "parameters.a" }, { a: "x".repeat(1_000) }).length).toBeLessThanOrEqual(
      LIMIT_KEY_MAX_LENGTH,
    );
  });
});
