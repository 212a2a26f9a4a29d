/**
 * Tests what the rehearsal reads from the record of the real program, under mocks, and the rights of the recorded
 * identities.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { busAssignments, createAccess } from "../../../../infra/rehearsal/cloud/access.ts";
import { gatewayOf, memberAddress, subnetOf } from "../../../../infra/rehearsal/cloud/addresses.ts";
import { durationMs, readEstate, type Estate } from "../../../../infra/rehearsal/cloud/estate.ts";
import { rehearsedCustomData } from "../../../../infra/rehearsal/cloud/machine.ts";
import type { CloudRecord } from "../../../../infra/rehearsal/pulumi/record.ts";
import { createStandIn } from "../../../../infra/rehearsal/pulumi/stand-in.ts";
import { planAutoscale } from "../../../../runtime/core/deployment/autoscale.ts";
import { PRIORITIES } from "../../../../runtime/core/job/priority.ts";
import { jobQueueName } from "../../../../runtime/core/deployment/topology.ts";
import { CONTAINERS, TABLES } from "../../../../runtime/core/deployment/storage-layout.ts";
import { mockedStack } from "../../../support/infra/mocked-stack.ts";

let cloud: CloudRecord;
let estate: Estate;
beforeAll(async () => {
  cloud = {};
  const standIn = createStandIn(cloud);
  const { resources } = await mockedStack("dev");
  for (const { type, name, inputs } of resources) {
    // Their packages were never built.
    if (type.startsWith("jobyard:") || type.startsWith("pulumi:") || type.endsWith("storage:Blob")) continue;
    standIn.create(type, name, standIn.check(type, name, inputs, undefined));
  }
  estate = readEstate(cloud);
});

describe("the estate of stack dev", () => {
  it("the record has the tables, containers and queues of the topology", () => {
    const data = estate.accounts.find(({ name }) => name === estate.site.settings["JOBYARD_STORAGE_ACCOUNT"]);
    expect(data?.tables.toSorted()).toEqual(Object.values(TABLES).toSorted());
    expect(data?.containers.toSorted()).toEqual(Object.values(CONTAINERS).toSorted());
    expect(estate.topology.queues.map(({ name }) => name).toSorted()).toEqual(
      PRIORITIES.map((priority) => jobQueueName("default", priority)).toSorted(),
    );
    expect(estate.topology.queues[0]).toMatchObject({ lockMs: 60_000, duplicateWindowMs: 600_000 });
  });

  it("only the recorded subnets reach the data account, and it accepts no key", () => {
    const data = estate.accounts.find(({ allowsKeys }) => !allowsKeys);
    expect(data?.subnetIds?.toSorted()).toEqual([...estate.subnets.keys()].toSorted());
  });

  it("the record has the autoscale plan of the program", () => {
    const queues = PRIORITIES.map((priority) => jobQueueName("default", priority));
    expect(estate.scaleSets[0]?.autoscale).toEqual(planAutoscale({ queues, min: 0, max: 10, slots: 1 }));
  });

  it("the record has the settings and the command line of the API", () => {
    expect(estate.site.settings).toMatchObject({ JOBYARD_AUTH: "entra", PORT: "8080" });
    expect(estate.site.commandLine).toContain("exec node api.mjs");
    expect(estate.site.identityIds).toEqual([estate.identities.find(({ name }) => name.startsWith("api-"))?.id]);
  });

  it("machines get their own document, changed only in the source of Node and the trusted certificates", () => {
    const original = estate.scaleSets[0]?.customData ?? "";
    const node = { url: "http://198.51.100.1/node.tar", sha256: "f".repeat(64) };
    const changed = rehearsedCustomData(original, node);
    const parse = (text: string) =>
      JSON.parse(text.replace("#cloud-config\n", "")) as { write_files: { path: string; content: string }[] };
    const [before, after] = [parse(original), parse(changed)];
    const isSettings = ({ path }: { path: string }): boolean => path === "/etc/jobyard/worker.env";
    expect(after.write_files.filter((file) => !isSettings(file))).toEqual(
      before.write_files.filter((file) => !isSettings(file)),
    );
    const lines = (document: typeof before) => document.write_files.find(isSettings)?.content.trim().split("\n") ?? [];
    const added = lines(after).filter((line) => !lines(before).includes(line));
    expect(added.map((line) => line.split("=")[0])).toEqual([
      "JOBYARD_NODE_URL",
      "JOBYARD_NODE_SHA256",
      "NODE_EXTRA_CA_CERTS",
    ]);
    expect(lines(after)).toHaveLength(lines(before).length + 1);
  });
});

describe("access by the recorded assignments", () => {
  const principal = (start: string): string =>
    estate.identities.find(({ name }) => name.startsWith(start))?.principalId ?? "";
  const container = (name: string): string =>
    Object.keys(cloud).find((id) => id.endsWith(`/blobServices/default/containers/${name}`)) ?? "";

  it("nothing is allowed before roles are effective, and that is not a denial", () => {
    const access = createAccess(() => estate);
    expect(access.allows(principal("api-"), "blob.read", container(CONTAINERS.packages))).toBe(false);
    expect(access.denials).toEqual([]);
  });

  it("workers can read packages and cannot write them", () => {
    const access = createAccess(() => estate);
    access.takeEffect();
    const packages = container(CONTAINERS.packages);
    expect(access.allows(principal("pool-default"), "blob.read", packages)).toBe(true);
    for (let count = 0; count < 2; count++) {
      expect(access.allows(principal("pool-default"), "blob.write", packages)).toBe(false);
    }
    expect(access.denials).toEqual([
      { who: expect.stringMatching(/^pool-default/) as string, action: "blob.write", resource: packages, count: 2 },
    ]);
  });

  it("a right for a container does not apply to another whose name begins with its name", () => {
    const access = createAccess(() => estate);
    access.takeEffect();
    expect(access.allows(principal("api-"), "blob.read", `${container(CONTAINERS.packages)}-more`)).toBe(false);
  });

  it("a stranger is denied everything", () => {
    const access = createAccess(() => estate);
    access.takeEffect();
    expect(access.allows("nobody", "table.read", container(CONTAINERS.logs))).toBe(false);
    expect(access.denials.map(({ who }) => who)).toEqual(["nobody"]);
  });

  it("access lists assignments that were never used", () => {
    const access = createAccess(() => estate);
    access.takeEffect();
    const all = estate.assignments.map(({ name }) => name);
    expect(access.unused()).toEqual(all);
    access.allows(principal("pool-default"), "blob.read", container(CONTAINERS.packages));
    expect(all.filter((name) => !access.unused().includes(name))).toEqual([
      `pool-default-read-container-${CONTAINERS.packages}`,
    ]);
  });

  it("a worker can protect the instances of its own scale set", () => {
    const access = createAccess(() => estate);
    access.takeEffect();
    const write = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/write";
    const own = estate.scaleSets[0]?.id ?? "";
    expect(access.allows(principal("pool-default"), write, `${own}/virtualMachines/3`)).toBe(true);
    expect(access.allows(principal("pool-default"), write, `${own}x/virtualMachines/3`)).toBe(false);
    expect(access.allows(principal("api-"), write, `${own}/virtualMachines/3`)).toBe(false);
  });

  it("the bus gets the rights of each principal by entity", () => {
    expect(busAssignments(estate)).toContainEqual({
      principalId: principal("pool-default"),
      entity: "jobs-default-high",
      rights: ["listen"],
    });
    expect(busAssignments(estate)).toContainEqual({
      principalId: principal("api-"),
      entity: "timers",
      rights: ["send", "listen", "manage"],
    });
  });
});

describe("addresses", () => {
  it("addresses begin where Azure's begin", () => {
    expect(gatewayOf("10.20.4.0/22")).toEqual({ address: "10.20.4.1", bits: 22 });
    expect(memberAddress("10.20.4.0/22", 0)).toBe("10.20.4.4");
    expect(memberAddress("10.20.4.0/22", 252)).toBe("10.20.5.0");
  });

  it("the subnet of an address is found, also for an address in IPv6 form", () => {
    const subnets = new Map([
      ["api", "10.20.0.0/26"],
      ["pool", "10.20.4.0/22"],
    ]);
    expect(subnetOf(subnets, "10.20.0.63")).toBe("api");
    expect(subnetOf(subnets, "10.20.0.64")).toBeUndefined();
    expect(subnetOf(subnets, "::ffff:10.20.7.255")).toBe("pool");
    expect(subnetOf(subnets, "198.51.100.1")).toBeUndefined();
  });
});

describe("durations", () => {
  it.each([
    ["PT1M", 60_000],
    ["PT60S", 60_000],
    ["P1DT2H", 93_600_000],
    ["PT0.5S", 500],
  ])("%s is %i ms", (iso, ms) => expect(durationMs(iso)).toBe(ms));

  it("a text that is not a duration is refused", () => expect(() => durationMs("1 minute")).toThrow(RangeError));
});
