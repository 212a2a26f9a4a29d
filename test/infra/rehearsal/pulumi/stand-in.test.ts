import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assetOf, recordable, type CloudRecord, type Properties } from "../../../../infra/rehearsal/pulumi/record.ts";
import { RefusedError } from "../../../../infra/rehearsal/pulumi/refusals.ts";
import { createStandIn, timePasses } from "../../../../infra/rehearsal/pulumi/stand-in.ts";
import { fileAsset, hashedAsset, secret, textAsset } from "../../../support/infra/pulumi-wire.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const inGroup = { resourceGroupName: "group" };
const SUBNET = "azure-native:network:Subnet";
const subnet = (subnetName: string, addressPrefix: string): Properties => ({
  ...inGroup,
  virtualNetworkName: "network",
  subnetName,
  addressPrefix,
});
const NETWORK = "azure-native:network:VirtualNetwork";
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
  it("the stand-in creates, reads, changes and deletes a resource", () => {
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

  it("the stand-in refuses to create an existing resource and to change a missing one", () => {
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

  it("the stand-in derives outputs that only Azure knows from the id", () => {
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

  it("the stand-in keeps a name that it generated before", () => {
    const { cloud } = emptyCloud();
    const type = "azure-native:web:WebApp";
    const made = cloud.check(type, "api", inGroup, undefined);
    expect(made["name"]).toMatch(/^api/);
    expect(cloud.check(type, "api", inGroup, { name: "api-of-old" })).toEqual({ ...inGroup, name: "api-of-old" });
    expect(cloud.check(type, "api", { name: "mine" }, { name: "api-of-old" })).toEqual({ name: "mine" });
  });
});

describe("differences", () => {
  it("differences are by value: the order of keys and undefined values do not count", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SCALE_SET, "workers", scaleSet({ sku: { name: "B1", capacity: 1 }, tags: { a: "b" } }));
    const diff = (more: Properties) => cloud.diff(id, SCALE_SET, scaleSet(more));
    expect(diff({ tags: { a: "b" }, sku: { capacity: 1, name: "B1" }, zones: undefined })).toEqual({
      changed: [],
      replaces: [],
    });
    expect(diff({ sku: { name: "B2", capacity: 1 } })).toEqual({ changed: ["sku", "tags"], replaces: [] });
  });

  it("a change of name or location replaces a resource", () => {
    const { cloud } = emptyCloud();
    const { id } = cloud.create(SCALE_SET, "workers", scaleSet({ location: "westeurope" }));
    expect(cloud.diff(id, SCALE_SET, { ...inGroup, vmScaleSetName: "other", location: "northeurope" })).toEqual({
      changed: ["vmScaleSetName", "location"],
      replaces: ["vmScaleSetName", "location"],
    });
  });

  it("a change of content replaces a blob, wherever the content is", async () => {
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
  it("values are stored in plain form: secrets by their value, assets by hash and path", () => {
    expect(
      recordable({ key: secret("word"), list: [secret({ deep: textAsset("text") })], none: undefined, zero: null }),
    ).toEqual({ key: "word", list: [{ deep: { asset: { hash: sha256("text"), text: "text" } } }], zero: null });
    const { hash: _hash, ...archive } = hashedAsset("");
    expect(() => recordable({ source: { ...archive, assets: {} } })).toThrow("neither a path nor a text");
  });
});

describe("what Azure refuses", () => {
  it("Azure refuses to change immutable properties of a scale set or a queue", () => {
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

  it("Azure refuses more machines than repairs and one placement group allow", () => {
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

  it("Azure refuses a subnet that overlaps, is outside its network, or is moved or deleted while in use", () => {
    const { cloud } = emptyCloud();
    const network = (prefix: string) => ({
      ...inGroup,
      virtualNetworkName: "network",
      addressSpace: { addressPrefixes: [prefix] },
    });
    const made = cloud.create(NETWORK, "network", network("10.0.0.0/16"));
    const { id } = cloud.create(SUBNET, "one", subnet("one", "10.0.0.0/24"));
    const { id: twoId } = cloud.create(SUBNET, "two", subnet("two", "10.0.4.0/22"));
    for (const [name, prefix] of [
      ["same", "10.0.0.0/24"],
      ["inside", "10.0.5.0/26"],
      ["around", "10.0.0.0/20"],
    ] as const) {
      expect(() => cloud.create(SUBNET, name, subnet(name, prefix)), name).toThrow("NetcfgSubnetRangesOverlap");
    }
    expect(() => cloud.create(SUBNET, "far", subnet("far", "10.1.0.0/24"))).toThrow("NetcfgSubnetRangeOutsideVnet");
    expect(() => cloud.update(made.id, NETWORK, network("10.0.0.0/22"))).toThrow(
      `NetcfgSubnetRangeOutsideVnet: ${twoId}`,
    );
    cloud.update(id, SUBNET, subnet("one", "10.0.1.0/24"));
    const user = cloud.create(SCALE_SET, "workers", scaleSet({ subnet: { id } }));
    expect(() => cloud.update(id, SUBNET, subnet("one", "10.0.9.0/24"))).toThrow("InUsePrefixCannotBeChanged");
    expect(() => cloud.remove(id)).toThrow(`InUseSubnetCannotBeDeleted: ${id} is in use by ${user.id}`);
    cloud.remove(user.id);
    expect(() => cloud.remove(id)).not.toThrow();
  });

  it("Azure refuses to delete an app's subnet for a while after the app was deleted", () => {
    const { record, cloud } = emptyCloud();
    const { id } = cloud.create(SUBNET, "api", subnet("api", "10.0.0.0/26"));
    const app = cloud.create("azure-native:web:WebApp", "api", { ...inGroup, name: "api", virtualNetworkSubnetId: id });
    expect(() => cloud.remove(id)).toThrow(`is in use by ${app.id}`);
    cloud.remove(app.id);
    expect(() => cloud.remove(id)).toThrow("serviceAssociationLinks/AppServiceLink");
    timePasses(record);
    cloud.remove(id);
    expect(record).toEqual({});
  });

  it("Azure deletes a subnet in use with its whole group", () => {
    const { record, cloud } = emptyCloud();
    const group = cloud.create("azure-native:resources:ResourceGroup", "group", inGroup);
    const { id } = cloud.create(SUBNET, "api", subnet("api", "10.0.0.0/26"));
    cloud.create("azure-native:web:WebApp", "api", { ...inGroup, name: "api", virtualNetworkSubnetId: id });
    cloud.remove(group.id);
    expect(record).toEqual({});
  });

  it("Azure refuses to read a filter soon after it was set", () => {
    const { record, cloud } = emptyCloud();
    const at = { ...inGroup, namespaceName: "bus", topicName: "timers", subscriptionName: "one" };
    const { id } = cloud.create("azure-native:servicebus:DefaultRule", "filter", at);
    expect(() => cloud.read(id)).toThrow("could not read $Default rule");
    timePasses(record);
    expect(cloud.read(id)?.inputs).toEqual(at);
    cloud.update(id, "azure-native:servicebus:DefaultRule", { ...at, filterType: "SqlFilter" });
    expect(() => cloud.read(id)).toThrow("could not read $Default rule");
  });

  it("Azure refuses a change of replication that needs a migration, and another tier of a namespace", () => {
    const { cloud } = emptyCloud();
    const account = (sku: string) => ({ ...inGroup, accountName: "data", sku: { name: `Standard_${sku}` } });
    const type = "azure-native:storage:StorageAccount";
    const { id } = cloud.create(type, "data", account("LRS"));
    cloud.update(id, type, account("GRS"));
    expect(() => cloud.update(id, type, account("ZRS"))).toThrow("A change to Standard_ZRS migrates");
    const bus = (tier: string) => ({ ...inGroup, namespaceName: "the-bus", sku: { name: tier, tier } });
    const made = cloud.create("azure-native:servicebus:Namespace", "bus", bus("Standard"));
    expect(() => cloud.update(made.id, "azure-native:servicebus:Namespace", bus("Premium"))).toThrow("sku.tier");
  });

  it("Azure refuses the same permission under another name, and to delete a role before its assignments", () => {
    const { cloud } = emptyCloud();
    const role = cloud.create("azure-native:authorization:RoleDefinition", "role", {
      scope: "/group",
      roleDefinitionId: crypto.randomUUID(),
    });
    const assign = () =>
      cloud.create("azure-native:authorization:RoleAssignment", "one", {
        scope: "/table",
        principalId: "worker",
        roleDefinitionId: role.id,
        roleAssignmentName: crypto.randomUUID(),
      });
    const { id } = assign();
    expect(assign).toThrow(`RoleAssignmentExists: ${id}`);
    expect(() => cloud.remove(role.id)).toThrow("RoleDefinitionHasAssignments");
    cloud.remove(id);
    expect(() => cloud.remove(role.id)).not.toThrow();
  });

  it.each([
    ["storage:StorageAccount", { accountName: "With-Hyphen" }],
    ["storage:BlobContainer", { accountName: "data", containerName: "a--b" }],
    ["storage:Table", { accountName: "data", tableName: "job-rows" }],
    ["servicebus:Namespace", { namespaceName: "short" }],
    ["servicebus:Subscription", { namespaceName: "the-bus", topicName: "t", subscriptionName: "x".repeat(51) }],
    ["compute:VirtualMachineScaleSet", { vmScaleSetName: "x".repeat(65) }],
  ])("Azure refuses an invalid name for %s", (type, inputs) => {
    const { cloud } = emptyCloud();
    const create = () => cloud.create(`azure-native:${type}`, "one", { ...inGroup, ...inputs });
    expect(create).toThrow("InvalidResourceName");
  });
});

describe("names and ids that are made up", () => {
  it("names and ids are new each time: a second scale set can exist next to the first, and so can a second application", () => {
    const { record, cloud } = emptyCloud();
    for (let turn = 0; turn < 2; turn++) {
      cloud.create(SCALE_SET, "workers", cloud.check(SCALE_SET, "workers", inGroup, undefined));
      cloud.create("azuread:index/application:Application", "api", { displayName: "API" });
    }
    expect(Object.keys(record)).toHaveLength(4);
  });
});
