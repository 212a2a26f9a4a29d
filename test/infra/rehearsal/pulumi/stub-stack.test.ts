import { describe, expect, it } from "vitest";
import type { CloudRecord, Properties } from "../../../../infra/rehearsal/pulumi/record.ts";
import { RefusedError } from "../../../../infra/rehearsal/pulumi/refusals.ts";
import { createStandIn, type StandIn } from "../../../../infra/rehearsal/pulumi/stand-in.ts";
import { createStubStack } from "../../../../infra/rehearsal/pulumi/stub-stack.ts";
import {
  ProgramFailedError,
  type EngineCloud,
  type RecordedProgram,
  type Registration,
} from "../../../../infra/tools/stub-engine.ts";
import { textAsset } from "../../../support/infra/pulumi-wire.ts";

const resource = (type: string, name: string, inputs: Properties, more: Partial<Registration> = {}): Registration => ({
  ...{
    type: `azure-native:${type}`,
    name,
    inputs: { resourceGroupName: "group", ...inputs },
    parent: "",
    custom: true,
  },
  ...{
    protect: false,
    retainOnDelete: false,
    deleteBeforeReplace: false,
    replaceOnChanges: [],
    ignoreChanges: [],
    dependsOn: [],
    ...more,
  },
});
const blob = (name: string, blobName: string, text: string, more: Partial<Registration> = {}): Registration =>
  resource(
    "storage:Blob",
    name,
    { accountName: "data", containerName: "releases", blobName, source: textAsset(text) },
    more,
  );
const table = (name: string, more: Partial<Registration> = {}): Registration =>
  resource("storage:Table", name, { accountName: "data", tableName: name }, more);
const workers = (capacity: number, vmSize: string): Registration =>
  resource(
    "compute:VirtualMachineScaleSet",
    "workers",
    { sku: { capacity, name: vmSize } },
    {
      ignoreChanges: ["sku.capacity"],
    },
  );

/** A program that registers these resources, one after the other. */
const program =
  (...registrations: readonly Registration[]) =>
  (engine: EngineCloud): Promise<RecordedProgram> =>
    new Promise((resolve) => {
      for (const registration of registrations) engine.register(registration);
      resolve({ registrations, outputs: {} });
    });

/** A stack, with its changes in the cloud: the verb and the last part of the id. */
function watchedStack() {
  const record: CloudRecord = {};
  const cloud = createStandIn(record);
  const done: string[] = [];
  const note = (verb: string, id: string): void => void done.push(`${verb} ${id.split("/").at(-1) ?? ""}`);
  const watched: StandIn = {
    ...cloud,
    create(type, name, inputs) {
      const created = cloud.create(type, name, inputs);
      note("create", created.id);
      return created;
    },
    update(id, type, inputs) {
      note("update", id);
      return cloud.update(id, type, inputs);
    },
    remove(id) {
      note("remove", id);
      cloud.remove(id);
    },
  };
  const stack = createStubStack(watched);
  return {
    ...{ record, stack, cloud },
    /** The changes of one deployment of these resources. */
    up: async (...registrations: readonly Registration[]): Promise<readonly string[]> => {
      done.length = 0;
      await stack.up(program(...registrations));
      return [...done];
    },
    destroy: (): readonly string[] => {
      done.length = 0;
      stack.destroy();
      return [...done];
    },
  };
}

describe("a deployment without Pulumi's engine", () => {
  it("the second deployment changes nothing", async () => {
    const { up, record } = watchedStack();
    const all = [table("jobs"), workers(1, "B1"), resource("web:WebApp", "api", {})];
    expect(await up(...all)).toHaveLength(3);
    const before = structuredClone(record);
    expect(await up(...all)).toEqual([]);
    expect(record).toEqual(before);
  });

  it("a deployment changes in place what it can, and keeps a generated name", async () => {
    const { up, record } = watchedStack();
    await up(resource("web:WebApp", "api", { tags: { a: "1" } }));
    const [id] = Object.keys(record);
    expect(await up(resource("web:WebApp", "api", { tags: { a: "2" } }))).toEqual([`update ${id?.split("/").at(-1)}`]);
    expect(Object.keys(record)).toEqual([id]);
  });

  it("a replacement creates the new resource first and deletes the old one at the end, or the reverse if required", async () => {
    const { up } = watchedStack();
    const pointer = (text: string) => blob("pointer", "current.json", text, { deleteBeforeReplace: true });
    await up(blob("package", "a.zip", "a"), pointer("a"), table("jobs"));
    expect(await up(blob("package", "b.zip", "b"), pointer("b"), table("other"))).toEqual([
      ...["create b.zip", "remove current.json", "create current.json", "create other"],
      ...["remove jobs", "remove a.zip"],
    ]);
    expect(await up(blob("package", "a.zip", "a"), pointer("a"), table("other"))).toEqual([
      ...["create a.zip", "remove current.json", "create current.json", "remove b.zip"],
    ]);
  });

  it("a deployment deletes unregistered resources, newest first, and keeps retained ones", async () => {
    const { up, record } = watchedStack();
    await up(table("one"), table("two"), table("kept", { retainOnDelete: true }));
    expect(await up()).toEqual(["remove two", "remove one"]);
    expect(Object.values(record).map(({ name }) => name)).toEqual(["kept"]);
  });

  it("a deployment replaces a resource on changes that the program lists, before the cloud refuses to change it", async () => {
    const { up, record } = watchedStack();
    const spot = (priority: string, more: Partial<Registration> = {}): Registration => ({
      ...workers(1, "B1"),
      inputs: {
        ...workers(1, "B1").inputs,
        vmScaleSetName: `workers-${priority}`,
        virtualMachineProfile: { priority },
      },
      ...more,
    });
    const replaceOnChanges = ["virtualMachineProfile.priority"];
    await up(spot("Regular", { replaceOnChanges }));
    expect(await up(spot("Spot", { replaceOnChanges }))).toEqual(["create workers-Spot", "remove workers-Regular"]);
    expect(Object.keys(record)).toHaveLength(1);
  });

  it("a deployment leaves the deletion of a group's resources to the group", async () => {
    const { up, destroy, record } = watchedStack();
    const group = resource("resources:ResourceGroup", "all", { resourceGroupName: "group" });
    const deletedWith = "azure-native:resources:ResourceGroup::all";
    await up(group, table("jobs", { deletedWith }), table("batches", { deletedWith }));
    expect(await up(group, table("jobs", { deletedWith }))).toEqual(["remove batches"]);
    expect(destroy()).toEqual(["remove group"]);
    expect(record).toEqual({});
  });

  it("a deployment keeps ignored properties, even when others of the resource change", async () => {
    const { up, record, cloud } = watchedStack();
    await up(workers(1, "B1"));
    const [id = ""] = Object.keys(record);
    const present = cloud.read(id)?.inputs ?? {};
    // Autoscale.
    cloud.update(id, "azure-native:compute:VirtualMachineScaleSet", { ...present, sku: { capacity: 37, name: "B1" } });
    expect(await up(workers(1, "B1"))).toEqual([]);
    expect(await up(workers(1, "B2"))).toHaveLength(1);
    expect(record[id]?.inputs["sku"]).toEqual({ capacity: 37, name: "B2" });
  });

  it("a deployment creates a resource again that was deleted outside Pulumi", async () => {
    const { up, cloud, record } = watchedStack();
    await up(table("jobs"));
    for (const id of Object.keys(record)) cloud.remove(id);
    expect(await up(table("jobs"))).toEqual(["create jobs"]);
    expect(await up()).toEqual(["remove jobs"]);
  });

  it("a deployment reports a refusal, and the next one deletes what this one has replaced", async () => {
    const { up, stack } = watchedStack();
    await up(blob("package", "a.zip", "a"));
    const refused = up(blob("package", "b.zip", "b"), table("jobs"), {
      ...table("again"),
      inputs: table("jobs").inputs,
    });
    await expect(refused).rejects.toThrow(ProgramFailedError);
    await expect(refused).rejects.toThrow(/^again: cannot create already existing resource/);
    expect(await up(blob("package", "b.zip", "b"), table("jobs"))).toEqual(["remove a.zip"]);

    const failing = stack.up(() => Promise.reject(new TypeError("The program's own.")));
    await expect(failing).rejects.toThrow(TypeError);
  });

  it("a protected resource is never deleted: not by destroy, not by replacement, not when unregistered", async () => {
    const { up, destroy, record } = watchedStack();
    const protectedOne = (blobName: string) => blob("precious", blobName, "text", { protect: true });
    await up(table("jobs"), protectedOne("a"));
    expect(() => destroy()).toThrow("precious is protected and cannot be deleted.");
    await expect(up(table("jobs"))).rejects.toThrow(ProgramFailedError);
    await expect(up(table("jobs"), protectedOne("b"))).rejects.toThrow("precious is protected");
    expect(Object.keys(record)).toHaveLength(2);

    await up(table("jobs"), blob("precious", "a", "text"));
    expect(destroy()).toEqual(["remove a", "remove jobs"]);
    expect(record).toEqual({});
  });

  it("a new scale set is created with another name before the old one is deleted", async () => {
    const { up } = watchedStack();
    const spot = (priority: string): Registration => ({
      ...workers(1, "B1"),
      inputs: { resourceGroupName: "group", virtualMachineProfile: { priority } },
      replaceOnChanges: ["virtualMachineProfile.priority"],
    });
    const [first] = await up(spot("Regular"));
    const [created, removed] = await up(spot("Spot"));
    expect(removed).toBe(first?.replace("create", "remove"));
    expect(created).toMatch(/^create workers/);
    expect(created).not.toBe(first);
  });

  it("a deployment reads everything first, and fails if something cannot be read", async () => {
    const cloud = createStandIn({});
    const read = (): never => {
      throw new RefusedError("could not read");
    };
    const stack = createStubStack({ ...cloud, read });
    await stack.up(program(table("jobs")));
    await expect(stack.up(program(table("jobs")))).rejects.toThrow("could not read");
    expect(() => stack.destroy()).toThrow("could not read");
  });

  it("after a killed engine, deployments are refused until the state is recovered", async () => {
    const { stack, record, up } = watchedStack();
    const all = ["a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1"].map((name) => table(`${name}rows`));
    await expect(stack.up(program(...all), { dieAfter: 7 })).rejects.toThrow("The engine was killed.");
    expect(Object.keys(record)).toHaveLength(7);
    await expect(up(...all)).rejects.toThrow("cannot create already existing resource");
    expect(stack.recover()).toContain("6 resources were started and not recorded.");
    // One of them was deleted meanwhile.
    Reflect.deleteProperty(record, Object.keys(record).at(-1) ?? "");
    expect(await up(...all)).toEqual(["create g1rows", "create h1rows"]);
    expect(await up(...all)).toEqual([]);
  });
});
