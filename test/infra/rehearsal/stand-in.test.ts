import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  assetOf,
  createStandIn,
  recordable,
  RefusedError,
  type CloudRecord,
  type Properties,
} from "../../../infra/rehearsal/stand-in.ts";
import { fileAsset, hashedAsset, secret, textAsset } from "../../support/pulumi-wire.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const inGroup = { resourceGroupName: "group" };
const SUBNET = "azure-native:network:Subnet";
const subnet = (subnetName: string, addressPrefix: string): Properties => ({
  ...inGroup,
  virtualNetworkName: "network",
  subnetName,
  addressPrefix,
});
const SCALE_SET = "azure-native:compute:VirtualMachineScaleSet";
const scaleSet = (more: Properties): Properties => ({ ...inGroup, vmScaleSetName: "workers", ...more });
const BLOB = "azure-native:storage:Blob";
const blob = (source: Properties): Properties => ({
  ...inGroup,
  accountName: "data",
  containerName: "releases",
  blobName: "current.json",
  source,
});

function emptyCloud() {
  const record: CloudRecord = {};
  return { record, cloud: createStandIn(record) };
}

describe("the stand-in for both providers", () => {
  it("creates, shows, changes and removes a resource", () => {
    const { record, cloud } = emptyCloud();
    const table = { ...inGroup, accountName: "data", tableName: "jobs" };
    const { id, outputs } = cloud.create("azure-native:storage:Table", "data-jobs", table);
    expect(outputs).toEqual({ ...table, name: "jobs" });
    expect(record).toEqual({ [id]: { type: "azure-native:storage:Table", name: "data-jobs", inputs: table } });

    const more = { ...table, signedIdentifiers: [] };
    expect(cloud.update(id, "azure-native:storage:Table", more)).toEqual({ ...more, name: "jobs" });
    expect(cloud.read(id)).toEqual({ inputs: more, outputs: { ...more, name: "jobs" } });
    cloud.remove(id);
    expect(record).toEqual({});
    expect(cloud.read(id)).toBeUndefined();
  });

  it("refuses what is there already, and what is not there", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SUBNET, "one", subnet("one", "10.0.0.0/24"));
    expect(() => cloud.create(SUBNET, "again", subnet("one", "10.0.1.0/24"))).toThrow(
      `cannot create already existing resource '${id}'`,
    );
    for (const act of [
      () => cloud.update("/gone", SUBNET, {}),
      () => cloud.diff("/gone", SUBNET, {}),
      () => cloud.remove("/gone"),
    ]) {
      expect(act).toThrow("ResourceNotFound: /gone");
    }
  });

  it("gives outputs that only Azure knows, by the id", () => {
    const { cloud } = emptyCloud();
    const create = (type: string, name: string, inputs: Properties): Properties =>
      cloud.create(type, name, { ...inGroup, ...inputs }).outputs;
    const identity = create("azure-native:managedidentity:UserAssignedIdentity", "api", { resourceName: "api" });
    const other = create("azure-native:managedidentity:UserAssignedIdentity", "worker", { resourceName: "worker" });
    expect(identity["principalId"]).not.toBe(other["principalId"]);
    expect(identity["principalId"]).not.toBe(identity["clientId"]);
    expect(create("azure-native:web:WebApp", "api", { name: "api1" })["defaultHostName"]).toBe(
      "api1.azurewebsites.net",
    );
    expect(create(BLOB, "pointer", blob(textAsset("{}")))).toEqual({
      ...inGroup,
      accountName: "data",
      containerName: "releases",
      blobName: "current.json",
      name: "current.json",
      url: "https://data.blob.core.windows.net/releases/current.json",
    });
    const application = cloud.create("azuread:index/application:Application", "entra-client", { displayName: "x" });
    expect(application.outputs).not.toHaveProperty("name");
    expect(application.outputs["clientId"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("keeps the name that was made up before", () => {
    const { cloud } = emptyCloud();
    const type = "azure-native:web:WebApp";
    const made = cloud.check(type, "api", inGroup, undefined);
    expect(made["name"]).toMatch(/^api/);
    expect(cloud.check(type, "api", inGroup, { name: "api-of-old" })).toEqual({ ...inGroup, name: "api-of-old" });
    expect(cloud.check(type, "api", { name: "mine" }, { name: "api-of-old" })).toEqual({ name: "mine" });
  });
});

describe("differences", () => {
  it("are by value: neither the order of keys nor what is undefined counts", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SCALE_SET, "workers", scaleSet({ sku: { name: "B1", capacity: 1 }, tags: { a: "b" } }));
    const diff = (more: Properties) => cloud.diff(id, SCALE_SET, scaleSet(more));
    expect(diff({ tags: { a: "b" }, sku: { capacity: 1, name: "B1" }, zones: undefined })).toEqual({
      changed: [],
      replaces: [],
    });
    expect(diff({ sku: { name: "B2", capacity: 1 } })).toEqual({ changed: ["sku", "tags"], replaces: [] });
  });

  it("replace a resource when its name or its place changes", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SCALE_SET, "workers", scaleSet({ location: "westeurope" }));
    expect(cloud.diff(id, SCALE_SET, { ...inGroup, vmScaleSetName: "other", location: "northeurope" })).toEqual({
      changed: ["vmScaleSetName", "location"],
      replaces: ["vmScaleSetName", "location"],
    });
  });

  it("replace a blob when its content changes, wherever the content lies", async () => {
    await using directory = await temporaryDirectory();
    const [file, copy] = [join(directory.path, "one"), join(directory.path, "two")];
    await Promise.all([writeFile(file, "content"), writeFile(copy, "content")]);
    const { record, cloud } = emptyCloud();
    const { id } = cloud.create(BLOB, "package", blob(fileAsset(file)));
    expect(assetOf(record[id]?.inputs["source"])).toEqual({ hash: sha256("content"), path: file });
    expect(cloud.diff(id, BLOB, blob(fileAsset(copy)))).toEqual({ changed: [], replaces: [] });
    expect(cloud.diff(id, BLOB, blob(textAsset("content")))).toEqual({ changed: [], replaces: [] });
    expect(cloud.diff(id, BLOB, blob(hashedAsset(sha256("content"))))).toEqual({ changed: [], replaces: [] });
    expect(cloud.diff(id, BLOB, blob(hashedAsset(sha256("other")))).replaces).toEqual(["source"]);
    await writeFile(copy, "other");
    expect(cloud.diff(id, BLOB, blob(fileAsset(copy)))).toEqual({ changed: ["source"], replaces: ["source"] });
  });
});

describe("values on the wire", () => {
  it("are kept in the open: secrets by their value, assets by hash and place", () => {
    expect(
      recordable({ key: secret("word"), list: [secret({ deep: textAsset("text") })], none: undefined, zero: null }),
    ).toEqual({ key: "word", list: [{ deep: { asset: { hash: sha256("text"), text: "text" } } }], zero: null });
    const { hash: _hash, ...archive } = hashedAsset("");
    expect(() => recordable({ source: { ...archive, assets: {} } })).toThrow("neither a path nor a text");
  });
});

describe("what Azure refuses", () => {
  it("is a change of what a scale set or a queue is made with", () => {
    const { record, cloud } = emptyCloud();
    const profile = (priority: string) => scaleSet({ virtualMachineProfile: { priority } });
    const { id } = cloud.create(SCALE_SET, "workers", profile("Regular"));
    expect(() => cloud.update(id, SCALE_SET, profile("Spot"))).toThrow(
      "PropertyChangeNotAllowed: Changing property 'virtualMachineProfile.priority'",
    );
    expect(record[id]?.inputs).toEqual(profile("Regular"));

    const queue = (requiresDuplicateDetection: boolean) => ({
      ...inGroup,
      namespaceName: "bus",
      queueName: "jobs",
      requiresDuplicateDetection,
    });
    const made = cloud.create("azure-native:servicebus:Queue", "jobs", queue(true));
    expect(() => cloud.update(made.id, "azure-native:servicebus:Queue", queue(false))).toThrow(RefusedError);
  });

  it("is more machines than repairs and one placement group allow", () => {
    const { cloud } = emptyCloud();
    const create = (capacity: number, repairs: boolean, singlePlacementGroup: boolean) => () =>
      cloud.create(
        SCALE_SET,
        "workers",
        scaleSet({ sku: { capacity }, singlePlacementGroup, automaticRepairsPolicy: { enabled: repairs } }),
      );
    expect(create(201, true, false)).toThrow("Automatic repairs allow 200 instances at most, not 201.");
    expect(create(101, false, true)).toThrow("A single placement group allows 100 instances.");
    expect(create(201, false, false)).not.toThrow();
  });

  it("is a subnet that overlaps, that changes its range, or that goes while it is used", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SUBNET, "one", subnet("one", "10.0.0.0/24"));
    expect(() => cloud.create(SUBNET, "two", subnet("two", "10.0.0.0/24"))).toThrow("NetcfgSubnetRangesOverlap");
    expect(() => cloud.update(id, SUBNET, subnet("one", "10.0.9.0/24"))).toThrow("InUsePrefixCannotBeChanged");
    const user = cloud.create(SCALE_SET, "workers", scaleSet({ subnet: { id } }));
    expect(() => cloud.remove(id)).toThrow(`InUseSubnetCannotBeDeleted: ${id} is in use by ${user.id}`);
    cloud.remove(user.id);
    expect(() => cloud.remove(id)).not.toThrow();
  });
});
