import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createMetadataService } from "../../../runtime/azure/machine/metadata-service.ts";
import { createInstanceProtection } from "../../../runtime/azure/machine/resource-manager.ts";
import { startFakeMetadataService, type FakeMetadataService } from "../../support/machine/fake-metadata-service.ts";
import {
  INSTANCE_GONE,
  startFakeResourceManager,
  type ArmAnswer,
  type FakeResourceManager,
} from "../../support/machine/fake-resource-manager.ts";
import { startLoopbackServer } from "../../support/network/loopback-server.ts";
import { silentLog } from "../../support/silent.ts";

let fakeMetadata: FakeMetadataService;
let arm: FakeResourceManager;
let clock = 0;
const { signal } = new AbortController();

const client = (identityClientId?: string) =>
  createMetadataService({ url: fakeMetadata.url, identityClientId, monotonicNow: () => clock });

beforeAll(async () => {
  fakeMetadata = await startFakeMetadataService({ tokenSeconds: 3_600 });
});
afterAll(() => fakeMetadata[Symbol.asyncDispose]());

describe("the metadata service's client", () => {
  it("the client reads which instance this is", async () => {
    expect(await client().instance(signal)).toEqual({
      name: "workers_4",
      resourceId: fakeMetadata.resourceId,
      location: "westeurope",
      scaleSetName: "workers",
    });
  });

  it("the client retries while the service is busy, and not after a refusal", async () => {
    fakeMetadata.fail("instance/compute", 429, 410);
    expect(await client().instance(signal)).toMatchObject({ name: "workers_4" });
    fakeMetadata.fail("identity/oauth2/token", 400);
    await expect(client().token("https://arm/", signal)).rejects.toThrow("answered 400 to the request for a token");
  });

  it("the client keeps a token until five minutes before its end", async () => {
    const one = client("client-1");
    const issued = fakeMetadata.tokens.length;
    const first = await one.token("https://arm/", signal);
    clock += 3_299_000;
    expect(await one.token("https://arm/", signal)).toBe(first);
    clock += 2_000;
    expect(await one.token("https://arm/", signal)).not.toBe(first);
    expect(fakeMetadata.tokens.length - issued).toBe(2);
    expect(fakeMetadata.tokenQueries.at(-1)).toMatchObject({ resource: "https://arm/", client_id: "client-1" });
  });

  it("the client reads events and approves them", async () => {
    const eventId = fakeMetadata.schedule("Terminate", { inMs: 60_000 });
    const { events } = await client().scheduledEvents(signal);
    expect(events).toMatchObject([{ eventId, type: "Terminate", status: "Scheduled", resources: ["workers_4"] }]);
    expect(Math.abs(events[0]!.notBefore! - Date.now() - 60_000)).toBeLessThan(30_000);
    await client().approve([eventId], signal);
    expect(fakeMetadata.approved).toEqual([eventId]);
    await expect(client().approve(["unknown"], signal)).rejects.toThrow("answered 400");
  });

  it("the client stops waiting when its signal fires", async () => {
    fakeMetadata.fail("scheduledevents", "silence");
    const stopping = new AbortController();
    const waiting = client().scheduledEvents(stopping.signal);
    stopping.abort(new Error("The worker stops."));
    await expect(waiting).rejects.toThrow("The worker stops.");
  });

  it("the client refuses an answer of another shape", async () => {
    await using other = await startLoopbackServer(() => ({ status: 200, body: { hello: "world" } }));
    const lost = createMetadataService({ url: other.url, identityClientId: undefined, monotonicNow: () => 0 });
    await expect(lost.scheduledEvents(signal)).rejects.toThrow("unreadable answer to the request for scheduled events");
  });
});

describe("a change of protection", () => {
  beforeEach(async () => {
    arm = await startFakeResourceManager(fakeMetadata.resourceId);
    return () => arm[Symbol.asyncDispose]();
  });

  const protection = async () =>
    createInstanceProtection({
      metadata: client(),
      instance: await client().instance(signal),
      resourceManagerUrl: arm.url,
      monotonicNow: () => performance.now(),
      log: silentLog,
    });

  it("a change of protection is one PUT of the policy alone", async () => {
    expect(await (await protection()).change(true, signal)).toEqual({ kind: "done" });
    expect(arm.puts).toMatchObject([
      {
        apiVersion: "2024-07-01",
        authorization: `Bearer ${fakeMetadata.tokens.at(-1)!}`,
        body: { location: "westeurope", properties: { protectionPolicy: { protectFromScaleIn: true } } },
      },
    ]);
    expect(arm.protected).toBe(true);
    await (await protection()).change(false, signal);
    expect(arm.protected).toBe(false);
  });

  it.each<[string, ArmAnswer]>([
    ["200 with an operation", { accepted: 200, by: "operation", polls: 2 }],
    ["201 with an operation", { accepted: 201, by: "operation", polls: 1 }],
    ["202 with an operation", { accepted: 202, by: "operation", polls: 0 }],
  ])("is done when Azure has carried it out: %s", async (_name, answer) => {
    arm.next(answer);
    expect(await (await protection()).change(true, signal)).toEqual({ kind: "done" });
    expect(arm.protected).toBe(true);
  });

  it.each<[string, ArmAnswer, object]>([
    ["a conflict", { status: 409 }, { kind: "failed", why: "conflict" }],
    ["throttling", { status: 429, retryAfterSeconds: 17 }, { kind: "failed", why: "throttled", retryAfterMs: 17_000 }],
    ["a missing right", { status: 403, code: "AuthorizationFailed" }, { kind: "failed", why: "denied" }],
    [
      "too many models",
      { status: 400, message: "has reached its limit of 10 models" },
      { kind: "failed", why: "denied" },
    ],
    [
      "a server error",
      { status: 503, retryAfterSeconds: 3 },
      { kind: "failed", why: "unanswered", retryAfterMs: 3_000 },
    ],
    ["an inactive instance", INSTANCE_GONE, { kind: "gone" }],
    ["a deleted one", { status: 404, code: "ResourceNotFound" }, { kind: "gone" }],
    ["a subscription not seen yet", { status: 404, code: "SubscriptionNotFound" }, { kind: "failed", why: "denied" }],
    [
      "an operation that failed",
      { accepted: 202, by: "operation", polls: 0, fails: "Preempted by another." },
      { kind: "failed", why: "conflict" },
    ],
    [
      "an operation that found the instance gone",
      { accepted: 202, by: "operation", polls: 0, fails: "Instance 4 is not an active Virtual Machine Scale Set VM." },
      { kind: "gone" },
    ],
  ])("says what became of it: %s", async (_name, answer, meaning) => {
    arm.next(answer);
    expect(await (await protection()).change(true, signal)).toMatchObject(meaning);
    expect(arm.protected).toBe(false);
  });

  it("a change of protection is repeated with a new token after 401", async () => {
    arm.next({ status: 401, code: "ExpiredAuthenticationToken" });
    const one = await protection();
    expect(await one.change(true, signal)).toMatchObject({ kind: "failed", why: "denied" });
    expect(await one.change(true, signal)).toEqual({ kind: "done" });
    await one.change(true, signal);
    const [first, second, third] = arm.puts.map(({ authorization }) => authorization);
    expect(second).not.toBe(first);
    expect(third).toBe(second);
  });

  it("a change of protection follows a Location header", async () => {
    arm.next({ accepted: 202, by: "location", polls: 0 });
    expect(await (await protection()).change(true, signal)).toEqual({ kind: "done" });
    expect(arm.protected).toBe(true);
  });

  it("a change of protection counts silence as unanswered", async () => {
    arm.next("silence");
    const stopping = new AbortController();
    const one = await protection();
    const changing = one.change(true, stopping.signal);
    await expect.poll(() => arm.puts).toHaveLength(1);
    stopping.abort();
    expect(await changing).toMatchObject({ kind: "failed", why: "unanswered" });
  });

  it("a change of protection sends its token to no other host", async () => {
    const seen: string[] = [];
    await using stranger = await startLoopbackServer(({ headers }) => {
      seen.push(headers.authorization ?? "");
      return { status: 200, body: { status: "Succeeded" } };
    });
    await using lying = await startLoopbackServer(() => ({
      status: 202,
      headers: { "Azure-AsyncOperation": `${stranger.url}/operation` },
    }));
    const one = createInstanceProtection({
      metadata: client(),
      instance: await client().instance(signal),
      resourceManagerUrl: lying.url,
      monotonicNow: () => performance.now(),
      log: silentLog,
    });
    expect(await one.change(true, signal)).toMatchObject({ kind: "failed", why: "unanswered" });
    expect(seen).toEqual([]);
  });
});
