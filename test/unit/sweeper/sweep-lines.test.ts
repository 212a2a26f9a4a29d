import { expect, it } from "vitest";
import { NEW_LINE, type LineName } from "../../../runtime/core/admission/limit.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import { createLineSweep } from "../../../runtime/sweeper/sweep-lines.ts";
import { jobOf } from "../../support/builders.ts";
import { silentUnreadable } from "../../support/silent.ts";
import { createMemoryStores } from "../../support/stores/memory-stores.ts";

const AT = new Date("2026-03-01T08:00:00Z");
const DAY_MS = 24 * 3_600_000;
const NAME: LineName = { tenantName: "acme", jobType: "Call", kind: "concurrency", key: "k" };

function world() {
  const { jobs, lines } = createMemoryStores();
  const join = async (job: Job, name = NAME): Promise<void> => {
    const { head } = await lines.read(name, 0);
    const ticket = head?.value.nextTicket ?? 1;
    const place = { ticket, jobId: job.jobId, ring: job.ring, waits: false };
    const next = { ...NEW_LINE, max: 1, nextTicket: ticket + 1 };
    expect(await lines.write(name, { head: next, etag: head?.etag, join: place })).toBe(true);
  };
  const submitted = async (state: "queued" | "canceled" = "queued"): Promise<Job> => {
    const job = jobOf();
    const inserted = await jobs.insert(job);
    if (inserted.written && state !== "queued") {
      await jobs.update({ jobId: job.jobId, etag: inserted.etag, from: "queued", to: state, changes: {} });
    }
    return job;
  };
  let clock = AT;
  const deps = { jobs, lines, unreadable: silentUnreadable, now: () => clock };
  return {
    ...{ jobs, lines, join, submitted, deps, sweep: () => createLineSweep(deps).sweep() },
    pass: (ms: number) => void (clock = new Date(clock.getTime() + ms)),
  };
}

it("a line whose jobs have ended or are gone is removed with its places, also a long one", async () => {
  const at = world();
  for (let n = 0; n < 90; n++) await at.join(n % 2 === 0 ? jobOf() : await at.submitted("canceled"));
  expect(await at.sweep()).toBe(1);
  expect(await at.lines.read(NAME, 100)).toEqual({ head: undefined, places: [], isWhole: true });
  // The next job begins a new line.
  const job = await at.submitted();
  await at.join(job);
  expect((await at.lines.read(NAME, 9)).places).toMatchObject([{ ticket: 1, jobId: job.jobId }]);
});

it("a line in which a job holds a place or waits stays as it is", async () => {
  const at = world();
  await at.join(await at.submitted("canceled"));
  const waiting = await at.submitted();
  await at.join(waiting);
  const before = await at.lines.read(NAME, 9);
  expect(await at.sweep()).toBe(0);
  expect(await at.lines.read(NAME, 9)).toEqual(before);
});

it("a job that joins while its line is being removed keeps it", async () => {
  const at = world();
  await at.join(jobOf());
  const late = await at.submitted();
  const racing = {
    ...at.lines,
    async removeHead(...[name, etag]: Parameters<typeof at.lines.removeHead>) {
      await at.join(late);
      return at.lines.removeHead(name, etag);
    },
  };
  expect(await createLineSweep({ ...at.deps, lines: racing }).sweep()).toBe(0);
  expect((await at.lines.read(NAME, 9)).places).toMatchObject([{ jobId: late.jobId }]);
});

it("a rate is removed when its latest time is longer ago than the longest span", async () => {
  const at = world();
  const rate: LineName = { ...NAME, kind: "rate" };
  await at.lines.write(rate, { head: { ...NEW_LINE, taken: [[AT.getTime() + DAY_MS, 1]] }, etag: undefined });
  at.pass(2 * DAY_MS - 1);
  expect(await at.sweep()).toBe(0);
  at.pass(1);
  expect(await at.sweep()).toBe(1);
});

it("the next pass over the table comes hours later", async () => {
  const at = world();
  const sweep = createLineSweep(at.deps);
  expect(await sweep.sweep()).toBe(0);
  await at.join(jobOf());
  expect(await sweep.sweep()).toBe(0);
  at.pass(DAY_MS);
  expect(await sweep.sweep()).toBe(1);
});
