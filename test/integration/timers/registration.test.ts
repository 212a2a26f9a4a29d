/** Timers of packages that are published, restored and deleted: real storage, a real broker, and people who are in the way. */
import { createHash } from "node:crypto";
import type { ServiceBusAdministrationClient } from "@azure/service-bus";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTimerSubscriptions } from "../../../runtime/azure/index.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { TIMERS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import type { ManifestTimer } from "../../../runtime/core/package/manifest.ts";
import type { FoundSubscription, TimerSubscription } from "../../../runtime/core/ports/timer-topic.ts";
import { batchIdOf, tickJobId, type Timer } from "../../../runtime/core/timer/timer.ts";
import { busTopology, TIMERS_TOPIC } from "../../../runtime/core/deployment/topology.ts";
import { startLocalServiceBus, type LocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { createTimerReconcile, type TimerReconcile } from "../../../runtime/timers/register/reconcile.ts";
import { createTimerRegistration, type RegistrationDeps } from "../../../runtime/timers/register/registration.ts";
import type { PackageCatalog } from "../../../runtime/core/ports/package-store.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { timerOf } from "../../support/builders.ts";
import { connectAdmin } from "../../../runtime/local/bus/test/support/start-bus.ts";
import { silentLog } from "../../support/silent.ts";
import { startTestApi, type Answer, type TestApi, type TestApiOptions } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const POOLS = ["default", "gpu"];

let withBus: ApiWithQueue;
let bus: LocalServiceBus;
let api: TestApi;
let admin: ServiceBusAdministrationClient;
let timers: TimerStore;
let subscriptions: ReturnType<typeof createTimerSubscriptions>;
const woken = { count: 0 };

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, adminPort: 0, topology: busTopology(POOLS) });
  withBus = await startApiWithQueue(POOLS);
  ({ timers } = withBus.api);
  admin = connectAdmin(bus.adminConnectionString!);
  subscriptions = createTimerSubscriptions({ admin });
  api = await anApi({ wakeScheduler: () => woken.count++ });
});
afterAll(async () => {
  await Promise.all(apis.map((one) => one[Symbol.asyncDispose]()));
  await withBus[Symbol.asyncDispose]();
  await bus.close();
});

const apis: TestApi[] = [];
async function anApi(options: TestApiOptions): Promise<TestApi> {
  const one = await startTestApi(withBus.queue, { bus, pools: POOLS, stores: withBus.api.stores, ...options });
  apis.push(one);
  return one;
}

let tenantName = "";
beforeEach(() => {
  tenantName = freshTenant();
});

const timer = (timerName: string, fields: Partial<ManifestTimer> = {}): ManifestTimer => ({
  timerName,
  cron: "0 0 0 1 1 *",
  ...fields,
});
const packed = (...declared: readonly ManifestTimer[]): Buffer => said("one", ...declared);
const said = (word: string, ...declared: readonly ManifestTimer[]): Buffer =>
  testPackage({
    jobs: Object.fromEntries(
      ["Say", ...declared.map(({ timerName }) => timerName)].map((name) => [name, `"${word}";`]),
    ),
    timers: declared,
  });
const hash = (zip: Uint8Array): string => createHash("sha256").update(zip).digest("hex");
const pathOf = (name = "pack.zip", tenant = tenantName): string => `/v1/tenants/${tenant}/packages/${name}`;
const publish = (zip: Uint8Array, name?: string, tenant?: string): Promise<Answer> =>
  api.put(pathOf(name, tenant), zip);
const rows = async (tenant = tenantName): Promise<readonly Timer[]> =>
  (await timers.list(tenant, { pageSize: 100 })).items;
const namesOf = async (tenant?: string): Promise<readonly string[]> =>
  (await rows(tenant)).map(({ timerName }) => timerName);
const topic = async (tenant = tenantName): Promise<readonly FoundSubscription[]> =>
  (await subscriptions.list())
    .filter(({ name }) => name.startsWith(`${tenant}.`))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
const ours = (timerName: string, queue = "jobs-default-normal"): FoundSubscription => ({
  name: `${tenantName}.pack.${timerName}`,
  isOurs: true,
  queue,
});

describe("publishing a package", () => {
  it("publishing a package registers its timers, returns them and wakes the scheduler", async () => {
    const before = woken.count;
    const answer = await publish(packed(timer("export"), timer("check", { pool: "gpu", cron: "00:10:00" })));
    expect(answer).toMatchObject({ status: 200, body: { timers: ["export", "check"] } });
    expect(await rows()).toMatchObject([
      { timerName: "check", pool: "gpu", cron: "00:10:00", timeZone: "UTC", misfire: "once", overlap: "skip" },
      { timerName: "export", pool: "default", graceMs: 60_000, runOnDeploy: false, pausedAt: undefined },
    ]);
    expect(await topic()).toEqual([ours("check", "jobs-gpu-normal"), ours("export")]);
    expect(woken.count).toBeGreaterThan(before);
  });

  it("publishing the same package twice changes nothing", async () => {
    const zip = packed(timer("export"));
    await publish(zip);
    const [stored] = await timers.ofPackage(tenantName, "pack.zip");
    const { modifiedAt } = await admin.getSubscriptionRuntimeProperties(TIMERS_TOPIC, ours("export").name);
    const before = woken.count;
    expect((await publish(zip)).body).toMatchObject({ timers: ["export"] });
    expect(await timers.ofPackage(tenantName, "pack.zip")).toEqual([stored]);
    expect((await admin.getSubscriptionRuntimeProperties(TIMERS_TOPIC, ours("export").name)).modifiedAt).toEqual(
      modifiedAt,
    );
    expect(woken.count).toBe(before);
  });

  it("publishing a package without a former timer removes the timer and its subscription", async () => {
    await publish(packed(timer("export"), timer("check")));
    await publish(packed(timer("check")));
    expect([await namesOf(), await topic()]).toEqual([["check"], [ours("check")]]);
    await publish(packed(timer("inspect")));
    expect([await namesOf(), await topic()]).toEqual([["inspect"], [ours("inspect")]]);
    await publish(packed());
    expect([await namesOf(), await topic()]).toEqual([[], []]);
  });

  it("timers of the same name in other tenants or packages are kept apart", async () => {
    const other = freshTenant();
    await publish(packed(timer("export")));
    await publish(packed(timer("export")), "pack.zip", other);
    await publish(packed(timer("export")), "pack.two.zip");
    expect(await topic()).toHaveLength(2);
    await api.delete(pathOf());
    expect([await namesOf(), await namesOf(other)]).toEqual([["export"], ["export"]]);
    expect((await topic()).map(({ name }) => name)).toEqual([`${tenantName}.pack.two.export`]);
    expect((await topic(other)).map(({ name }) => name)).toEqual([`${other}.pack.export`]);
  });

  it("publishing a package with another priority moves its timer to the new queue", async () => {
    await publish(packed(timer("export")));
    await publish(packed(timer("export", { priority: "high", pool: "gpu" })));
    expect(await topic()).toEqual([ours("export", "jobs-gpu-high")]);
  });

  it("a package with a timer for an unknown pool is refused before anything is stored", async () => {
    const refused = await publish(packed(timer("export"), timer("check", { pool: "farm" })));
    expect(refused).toMatchObject({
      status: 422,
      body: { error: { code: "ManifestInvalid", target: "timers[1].pool" } },
    });
    expect([(await api.get(pathOf())).status, await namesOf(), await topic()]).toEqual([404, [], []]);
  });

  it("a package is refused when there would be too many timers", async () => {
    const full = await anApi({
      wrapTimers: (inner) => ({
        ...inner,
        async *all() {
          await Promise.resolve();
          for (let i = 1; i < TIMERS_MAX_COUNT; i++) yield { value: timerOf({ timerName: `t${i}` }), etag: "" };
        },
      }),
    });
    expect((await full.put(pathOf(), packed(timer("export")))).status).toBe(200);
    expect(await full.put(pathOf("other.zip"), packed(timer("a"), timer("b")))).toMatchObject({
      status: 409,
      body: { error: { code: "TimerLimitReached" } },
    });
    expect((await api.get(pathOf("other.zip"))).status).toBe(404);
  });

  it("several versions published at once leave the timers of the current one", async () => {
    const zips = ["a", "b", "c", "d"].map((name) => packed(timer(name)));
    const answers = await Promise.all(zips.map((zip) => publish(zip)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { sha256 } = (await api.get(pathOf())).body as unknown as { sha256: string };
    const current = ["a", "b", "c", "d"][zips.findIndex((zip) => hash(zip) === sha256)]!;
    expect([await namesOf(), await topic()]).toEqual([[current], [ours(current)]]);
  });

  it("publishing leaves subscriptions of the deployment alone", async () => {
    const name = `${tenantName}.pack.export`;
    await admin.createSubscription(TIMERS_TOPIC, name, { forwardTo: "jobs-gpu-low" });
    await publish(packed(timer("export")));
    await publish(packed());
    expect(await topic()).toEqual([{ name, isOurs: false, queue: "jobs-gpu-low" }]);
  });
});

describe("an older version", () => {
  it("restoring an older version brings its timers back", async () => {
    const one = packed(timer("export"));
    await publish(one);
    await publish(packed(timer("check")));
    const restored = await api.post(`${pathOf()}/versions/${hash(one)}/restore`);
    expect(restored).toMatchObject({ status: 200, body: { timers: ["export"] } });
    expect([await namesOf(), await topic()]).toEqual([["export"], [ours("export")]]);
  });

  it("an older version with a timer for a removed pool is not restored", async () => {
    const one = packed(timer("export", { pool: "gpu" }));
    await publish(one);
    const two = packed(timer("check"));
    await publish(two);
    const smaller = await anApi({ pools: ["default"] });
    const path = `${pathOf()}/versions/${hash(one)}/restore`;
    expect(await smaller.post(path)).toMatchObject({ status: 422, body: { error: { target: "timers[0].pool" } } });
    expect((await api.get(pathOf())).body).toMatchObject({ sha256: hash(two) });
    expect(await namesOf()).toEqual(["check"]);
  });
});

describe("deleting", () => {
  it("deleting a package removes its timers, also after an earlier failure", async () => {
    await publish(packed(timer("export")));
    await api.packages.remove(tenantName, "pack.zip");
    expect((await api.delete(pathOf())).status).toBe(404);
    expect([await namesOf(), await topic()]).toEqual([[], []]);
  });

  it("deleting a package removes its timers first, so no tick finds it gone", async () => {
    await publish(packed(timer("export")));
    const remove: PackageCatalog["remove"] = async (...place) => {
      expect([await namesOf(), await topic()]).toEqual([[], []]);
      return api.packages.remove(...place);
    };
    const watched = await anApi({ wrapPackages: (inner) => ({ ...inner, remove }) });
    expect((await watched.delete(pathOf())).status).toBe(204);
  });

  it("deleting a tenant removes its timers and leaves its packages", async () => {
    const other = freshTenant();
    await api.put(`/v1/tenants/${tenantName}`);
    await publish(packed(timer("export")));
    await publish(packed(timer("export")), "pack.zip", other);
    expect((await api.delete(`/v1/tenants/${tenantName}`)).status).toBe(204);
    expect([await namesOf(), await topic(), await namesOf(other)]).toEqual([[], [], ["export"]]);
    expect((await api.get(pathOf())).status).toBe(200);
  });
});

describe("a timer that runs on deployment", () => {
  it("a timer with runOnDeploy runs once for each version", async () => {
    const declared = timer("export", { runOnDeploy: true });
    const [one, two] = [said("one", declared), said("two", declared)];
    const runOf = async (zip: Uint8Array) => {
      const versions = await api.packages.versions(tenantName, "pack.zip");
      const { publishedAt } = versions.find(({ sha256 }) => sha256 === hash(zip))!;
      const [row] = await rows();
      return (await api.jobs.get(tickJobId(row!, publishedAt, `deploy:${hash(zip)}`)))?.value;
    };
    const runs = async (): Promise<number> => {
      const { value } = (await api.batches.get(batchIdOf((await rows())[0]!)))!;
      return (await api.jobs.list(value, { pageSize: 100 })).items.length;
    };
    await publish(one);
    await publish(one);
    expect(await runs()).toBe(1);
    const job = await runOf(one);
    expect(job).toMatchObject({ state: "queued", jobType: "export", submittedBy: "timer", pool: "default" });
    expect(JSON.parse(job!.parameters!)).toEqual({
      trigger: "deploy",
      scheduledAt: expect.stringMatching(/^20.*Z$/) as unknown,
      missedCount: 0,
    });
    expect((await withBus.bellIdsOf(job!.jobId)).length).toBe(1);
    await publish(two);
    expect(await runs()).toBe(2);
    expect(await runOf(two)).toMatchObject({ state: "queued" });
    await api.post(`${pathOf()}/versions/${hash(one)}/restore`);
    await publish(two);
    expect(await runs()).toBe(2);
  });

  it("a paused timer with runOnDeploy does not run", async () => {
    const declared = timer("export", { runOnDeploy: true });
    await publish(packed(timer("export")));
    const [stored] = await timers.ofPackage(tenantName, "pack.zip");
    await timers.write({ ...stored!.value, pausedAt: new Date(), pausedBy: "ann" }, stored!.etag);
    await publish(packed(declared));
    expect(await rows()).toMatchObject([{ runOnDeploy: true, pausedBy: "ann" }]);
    expect(await api.batches.get(batchIdOf(stored!.value))).toBeUndefined();
  });
});

/** Dies at the n-th of the steps that write; counted from one. */
class Crash extends Error {}

describe("registration that breaks off", () => {
  const place = (): { tenantName: string; packageName: string } => ({ tenantName, packageName: "pack.zip" });
  const ran: string[] = [];

  function dyingAt(fatalStep: number): RegistrationDeps {
    let steps = 0;
    const step =
      <A extends unknown[], R>(write: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (++steps === fatalStep) throw new Crash(`at step ${fatalStep}`);
        return write(...args);
      };
    return {
      packages: api.packages,
      timers: {
        ...timers,
        write: step((row: Timer, etag: string | undefined) => timers.write(row, etag)),
        remove: step((name: Timer, etag: string) => timers.remove(name, etag)),
      },
      subscriptions: {
        ensure: step((wanted: TimerSubscription) => subscriptions.ensure(wanted)),
        remove: step((name: string) => subscriptions.remove(name)),
      },
      runForVersion: step(({ timerName }) => Promise.resolve(void ran.push(timerName))),
      pools: POOLS,
      now: () => new Date(),
      log: silentLog,
    };
  }
  /** Of this test's tenant alone. */
  const reconcile = (): TimerReconcile =>
    createTimerReconcile({
      packages: {
        async *all() {
          for await (const one of api.packages.all()) if (one.tenantName === tenantName) yield one;
        },
      },
      tenants: api.tenants,
      timers: {
        async *all() {
          for (const value of await rows()) yield { value, etag: "" };
        },
      },
      subscriptions: { ...subscriptions, list: () => topic() },
      registration: createTimerRegistration(dyingAt(0)),
      pools: POOLS,
      log: silentLog,
    });
  const isLeader = (): Promise<boolean> => Promise.resolve(true);

  /** From two timers to one other and one changed: with writes, a removal and a run. */
  async function arrange(): Promise<void> {
    await api.put(`/v1/tenants/${tenantName}`);
    await publish(packed(timer("export"), timer("check")));
    const zip = packed(timer("check", { cron: "00:05:00", runOnDeploy: true }), timer("report"));
    await api.packages.upload(tenantName, "pack.zip", zip, {
      ...{ sha256: hash(zip), uploadedBy: "ann", jobTypes: ["Say"], timerCount: 2 },
    });
    ran.length = 0;
  }
  async function expectRight(): Promise<void> {
    expect(await rows()).toMatchObject([{ timerName: "check", cron: "00:05:00" }, { timerName: "report" }]);
    expect(await topic()).toEqual([ours("check"), ours("report")]);
  }

  it("registration that fails at any step is completed by a repeat", async () => {
    let crashes = 0;
    for (let fatal = 1; ; fatal++) {
      tenantName = freshTenant();
      await arrange();
      const died = await createTimerRegistration(dyingAt(fatal))
        .sync(place())
        .then(
          () => false,
          (error: unknown) => error instanceof Crash,
        );
      if (!died) break;
      crashes++;
      await createTimerRegistration(dyingAt(0)).sync(place());
      await expectRightButOrphans();
      expect(ran).toContain("check");
    }
    // Two subscriptions, two rows, one row and one subscription removed, one run.
    expect(crashes).toBe(7);
  });

  /** A subscription whose row went before is reconcile's to find. */
  async function expectRightButOrphans(): Promise<void> {
    expect(await rows()).toMatchObject([{ timerName: "check", cron: "00:05:00" }, { timerName: "report" }]);
    expect(await topic()).toEqual(expect.arrayContaining([ours("check"), ours("report")]));
  }

  it("registration that fails at any step is completed by one reconcile round", async () => {
    for (let fatal = 1; fatal <= 7; fatal++) {
      tenantName = freshTenant();
      await arrange();
      await expect(createTimerRegistration(dyingAt(fatal)).sync(place())).rejects.toThrow(Crash);
      const leader = reconcile();
      for (let round = 0; round < 3; round++) await leader.run(isLeader);
      await expectRight();
    }
  });

  it("registration that never began is completed by the reconcile for existing tenants", async () => {
    const zip = packed(timer("export"));
    const facts = { sha256: hash(zip), uploadedBy: "ann", jobTypes: ["Say"], timerCount: 1 };
    await api.packages.upload(tenantName, "pack.zip", zip, facts);
    await reconcile().run(isLeader);
    expect(await namesOf()).toEqual([]);
    await api.put(`/v1/tenants/${tenantName}`);
    await reconcile().run(isLeader);
    expect([await namesOf(), await topic()]).toEqual([["export"], [ours("export")]]);
    await api.packages.remove(tenantName, "pack.zip");
    await reconcile().run(isLeader);
    expect([await namesOf(), await topic()]).toEqual([[], []]);
  });

  it("only the leader reconciles registrations", async () => {
    await publish(packed(timer("export")));
    await admin.deleteSubscription(TIMERS_TOPIC, ours("export").name);
    await reconcile().run(() => Promise.resolve(false));
    expect(await topic()).toEqual([]);
    await reconcile().run(isLeader);
    expect(await topic()).toEqual([ours("export")]);
  });

  it("registration during a broker outage fails with a retryable error, and a repeat completes it", async () => {
    const away = () => Promise.reject(new UnavailableError("BusUnavailable", "away"));
    const zip = packed(timer("export"));
    await api.packages.upload(tenantName, "pack.zip", zip);
    const cut = createTimerRegistration({ ...dyingAt(0), subscriptions: { ensure: away, remove: away } });
    await expect(cut.sync(place())).rejects.toThrow(UnavailableError);
    expect(await namesOf()).toEqual([]);
    expect((await publish(zip)).body).toMatchObject({ timers: ["export"] });
  });
});

describe("without registration at run time", () => {
  it("without registration at run time, rows follow the packages and subscriptions stay the deployment's", async () => {
    const off = await startTestApi(withBus.queue, { pools: POOLS, stores: withBus.api.stores });
    apis.push(off);
    expect((await off.put(pathOf(), packed(timer("export")))).body).toMatchObject({ timers: ["export"] });
    expect([await namesOf(), await topic()]).toEqual([["export"], []]);
    await off.delete(pathOf());
    expect(await namesOf()).toEqual([]);
  });
});
