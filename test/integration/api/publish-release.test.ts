import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { keepPublishing, openRelease, type PublishReleaseDeps } from "../../../runtime/api/publish-release.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { inspectPackage } from "../../../runtime/package/read/inspect-package.ts";
import { recordingLog } from "../../support/recording-log.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const { packages, tenants } = await apiStores();
const version = (word: string): Buffer => testPackage({ jobs: { Greet: `return { output: "${word}" };` } });
const hash = async (zip: Uint8Array): Promise<string> => (await inspectPackage(zip)).sha256;

const timerRegistration = { check: () => Promise.resolve(), sync: () => Promise.resolve([]) };

let deps: PublishReleaseDeps;
let log: ReturnType<typeof recordingLog>;
beforeEach(async () => {
  const directory = await temporaryDirectory();
  log = recordingLog();
  deps = {
    ...{ packages, tenants, timerRegistration, directory: directory.path, tenantName: freshTenant(), log },
    now: () => new Date(),
  };
  return () => directory[Symbol.asyncDispose]();
});

const release = (name: string, content: Uint8Array): Promise<void> => writeFile(join(deps.directory, name), content);
const publishRelease = async (given: PublishReleaseDeps): Promise<void> => (await openRelease(given)).publish();
const current = () => packages.get(deps.tenantName, "greet.zip");

it("publishes the packages of the release with their facts, and creates the tenant", async () => {
  await release("greet.zip", version("one"));
  await release("notes.txt", Buffer.from("no package"));
  await publishRelease(deps);
  expect(await current()).toMatchObject({
    sha256: await hash(version("one")),
    uploadedBy: "release",
    jobTypes: ["Greet"],
  });
  expect((await packages.list(deps.tenantName, { pageSize: 10, continuationToken: undefined })).items).toHaveLength(1);
  expect(await tenants.get(deps.tenantName)).toMatchObject({ createdBy: "release" });
});

it("publishes a version once: what people publish afterwards stays, until there is a newer release", async () => {
  await release("greet.zip", version("released"));
  await publishRelease(deps);
  await packages.upload(deps.tenantName, "greet.zip", version("by hand"), {
    ...{ sha256: await hash(version("by hand")), uploadedBy: "ann", jobTypes: ["Greet"] },
  });
  await publishRelease(deps);
  expect(await current()).toMatchObject({ uploadedBy: "ann" });
  await release("greet.zip", version("newer"));
  await publishRelease(deps);
  expect(await current()).toMatchObject({ uploadedBy: "release", sha256: await hash(version("newer")) });
  expect(await packages.versions(deps.tenantName, "greet.zip")).toHaveLength(3);
});

it("repairs a current version whose bytes were replaced, and leaves a later one alone", async () => {
  const facts = { sha256: await hash(version("one")), uploadedBy: "release", jobTypes: ["Greet"] };
  await release("greet.zip", version("one"));
  await publishRelease(deps);
  await packages.upload(deps.tenantName, "greet.zip", version("evil"), facts);
  await publishRelease(deps);
  expect(await packages.fetch(deps.tenantName, "greet.zip", undefined)).toMatchObject({ bytes: version("one") });

  const later = { ...facts, sha256: await hash(version("later")), uploadedBy: "ann" };
  await packages.upload(deps.tenantName, "greet.zip", version("evil"), later);
  await publishRelease(deps);
  expect(await current()).toMatchObject({ uploadedBy: "ann" });
});

it("may be done by several instances at once", async () => {
  await release("greet.zip", version("one"));
  await Promise.all([publishRelease(deps), publishRelease(deps), publishRelease(deps)]);
  expect(await packages.versions(deps.tenantName, "greet.zip")).toHaveLength(1);
  const { bytes } = (await packages.fetch(deps.tenantName, "greet.zip", undefined)) as { bytes: Uint8Array };
  expect(Buffer.compare(bytes, version("one"))).toBe(0);
});

it("skips an invalid package and logs it", async () => {
  await release("broken.zip", Buffer.from("PK nothing"));
  await release("greet.zip", version("one"));
  await publishRelease(deps);
  expect(await packages.get(deps.tenantName, "broken.zip")).toBeUndefined();
  expect(await current()).toBeDefined();
  expect(log.messages()).toContain("released package is not valid");
});

it("needs nothing to publish, and makes no tenant for it", async () => {
  await publishRelease({ ...deps, directory: join(deps.directory, "absent") });
  expect(await tenants.get(deps.tenantName)).toBeUndefined();
});

it("is tried again while storage refuses, and stops when the API does", async () => {
  await release("greet.zip", version("one"));
  let refusals = 3;
  const refusing = {
    ...tenants,
    get: (name: string) =>
      refusals-- > 0 ? Promise.reject(new UnavailableError("StorageUnavailable", "403")) : tenants.get(name),
  };
  const pauses: number[] = [];
  const sleep = (ms: number): Promise<void> => Promise.resolve(void pauses.push(ms));
  const publisher = await openRelease({ ...deps, tenants: refusing });
  await keepPublishing({ release: publisher, sleep, log }, new AbortController().signal);
  expect(pauses).toEqual([1_000, 5_000, 15_000]);
  expect(await current()).toBeDefined();

  refusals = Infinity;
  const stopping = new AbortController();
  const stop = (): Promise<void> => {
    stopping.abort();
    return Promise.resolve();
  };
  const refused = await openRelease({ ...deps, tenants: refusing });
  await keepPublishing({ release: refused, sleep: stop, log }, stopping.signal);
  expect(refusals).toBe(Infinity);
});

it("a package is pending until it is published or refused", async () => {
  await release("broken.zip", Buffer.from("PK nothing"));
  await release("greet.zip", version("one"));
  let away = true;
  const answering = {
    ...packages,
    versions: (...place: Parameters<typeof packages.versions>) =>
      away ? Promise.reject(new UnavailableError("StorageUnavailable", "403")) : packages.versions(...place),
  };
  const publisher = await openRelease({ ...deps, packages: answering });
  const isPending = (): boolean[] =>
    ["broken.zip", "greet.zip", "others.zip"].map((name) => publisher.isPending(deps.tenantName, name));
  expect(isPending()).toEqual([true, true, false]);
  expect(publisher.isPending(freshTenant(), "greet.zip")).toBe(false);
  await expect(publisher.publish()).rejects.toThrow("403");
  expect(isPending()).toEqual([false, true, false]);
  away = false;
  await publisher.publish();
  expect(isPending()).toEqual([false, false, false]);
});
