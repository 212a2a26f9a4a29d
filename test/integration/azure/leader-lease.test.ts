import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createLeaderLease } from "../../../runtime/azure/index.ts";
import { InvariantError, UnavailableError } from "../../../runtime/core/errors.ts";
import type { LeaderLease } from "../../../runtime/core/ports/worker-store.ts";
import { CONTAINERS } from "../../../runtime/core/deployment/storage-layout.ts";
import { startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { testStorage } from "../../support/stores/test-storage.ts";

const freshDuty = (): string => `duty-${randomUUID()}`;

const candidate = (name: string, deps: Partial<Parameters<typeof createLeaderLease>[0]> = {}): LeaderLease =>
  createLeaderLease({
    storage: testStorage(),
    name,
    durationMs: 15_000,
    holder: randomUUID(),
    monotonicNow: () => performance.now(),
    ...deps,
  });

/** As when its time is over: the service lets go of the lease whoever holds it. */
const endLease = (name: string): Promise<unknown> =>
  testStorage().blobs.getContainerClient(CONTAINERS.leases).getBlobClient(name).getBlobLeaseClient().breakLease(0);

const isLeaseRequest = ({ url }: { readonly url: string }): boolean => url.includes("comp=lease");

describe("a lease", () => {
  it("one of many candidates gets a new lease", async () => {
    const duty = freshDuty();
    const candidates = Array.from({ length: 12 }, () => candidate(duty));
    const held = await Promise.all(candidates.map((each) => each.hold()));
    expect(held.filter((isHeld) => isHeld)).toHaveLength(1);
    expect(await Promise.all(candidates.map((each) => each.hold()))).toEqual(held);
  });

  it("is one per duty", async () => {
    const holders = [candidate(freshDuty()), candidate(freshDuty())];
    expect(await Promise.all(holders.map((each) => each.hold()))).toEqual([true, true]);
  });

  it("goes over when it is released, and only by its holder", async () => {
    const duty = freshDuty();
    const [first, second] = [candidate(duty), candidate(duty)];
    await second.release();
    expect(await first.hold()).toBe(true);
    await second.release();
    expect(await second.hold()).toBe(false);
    await first.release();
    await first.release();
    expect(await second.hold()).toBe(true);
    expect(await first.hold()).toBe(false);
  });

  it("is back at once with the next process of the same holder", async () => {
    const duty = freshDuty();
    const [killed, next] = [candidate(duty, { holder: "api-1" }), candidate(duty, { holder: "api-1" })];
    expect(await killed.hold()).toBe(true);
    expect(await candidate(duty, { holder: "api-2" }).hold()).toBe(false);
    expect(await next.hold()).toBe(true);
    expect(await candidate(duty, { holder: "api-2" }).hold()).toBe(false);
  });

  it("goes over when its time is over, and its former holder sees that", async () => {
    const duty = freshDuty();
    const [first, second] = [candidate(duty), candidate(duty)];
    expect(await first.hold()).toBe(true);
    await endLease(duty);
    expect(await second.hold()).toBe(true);
    expect(await first.hold()).toBe(false);
    await first.release();
    expect(await second.hold()).toBe(true);
  });

  it("the former holder gets the lease again when no other took it", async () => {
    const duty = freshDuty();
    const holder = candidate(duty);
    await holder.hold();
    await endLease(duty);
    expect(await holder.hold()).toBe(true);
    expect(await candidate(duty).hold()).toBe(false);
  });

  it("is not held by a process that was paused for longer than it lasts before the answer came", async () => {
    let now = 0;
    let pausedMs = 0;
    // Time passes between the reading before the request and the one after.
    const monotonicNow = (): number => (now += pausedMs);
    const holder = candidate(freshDuty(), { monotonicNow });
    expect(await holder.hold()).toBe(true);
    pausedMs = 15_000;
    expect(await holder.hold()).toBe(false);
    pausedMs = 14_999;
    expect(await holder.hold()).toBe(true);
  });

  it("calls at the same moment share one request", async () => {
    await using network = await startStorageProxy();
    const duty = freshDuty();
    await candidate(duty).release();
    const holder = candidate(duty, { storage: testStorage(network.connectionString) });
    await holder.hold();
    network.requests.length = 0;
    expect(await Promise.all([holder.hold(), holder.hold(), holder.hold()])).toEqual([true, true, true]);
    expect(network.requests).toHaveLength(1);
  });

  it("is found one's own when the answer was lost", async () => {
    await using network = await startStorageProxy();
    const duty = freshDuty();
    const holder = candidate(duty, { storage: testStorage(network.connectionString) });
    let faults = 2;
    network.decide = (request) => (isLeaseRequest(request) && faults-- > 0 ? "lose" : "pass");
    expect(await holder.hold()).toBe(true);
    expect(await candidate(duty).hold()).toBe(false);
  });

  it("is unknown when storage is away", async () => {
    await using network = await startStorageProxy();
    const holder = candidate(freshDuty(), { storage: testStorage(network.connectionString) });
    await holder.hold();
    network.decide = () => "drop";
    await expect(holder.hold()).rejects.toThrow(UnavailableError);
    network.decide = () => "pass";
    expect(await holder.hold()).toBe(true);
  });

  it.each([14_000, 61_000, 15_500, Number.NaN])("cannot last %d ms", (durationMs) => {
    expect(() => candidate(freshDuty(), { durationMs })).toThrow(InvariantError);
  });
});
