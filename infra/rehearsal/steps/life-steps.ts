/** The deployments of a year, one after the other, and the changes that each may make. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "../../tools/stack-graph.ts";
import { expect } from "./rehearsal.ts";
import { expectChanges, expectNone, expectRefusal, inputsOf, up, type Changes, type Life } from "./life.ts";
import { at, type CloudRecord, type Properties } from "../pulumi/record.ts";
import { timePasses } from "../pulumi/stand-in.ts";
import type { Step } from "./step.ts";

/** Each step needs the one before it. */
type LifeStep = Omit<Step<Life>, "needs">;

const WORKERS = "pool-default-workers";
/** The number of machines after autoscale. */
const DRIFTED = 37;
/** The creations before the engine is killed. A first deployment has about ninety. */
const DEATH_AFTER = 61;

/** The changes of a release: its packages, the pointer that is replaced in place, and the API's setting. No machine. */
const RELEASE: Changes = {
  create: ["release-api", "release-worker", "release-worker-pointer"],
  update: ["jobyard-api-host"],
  remove: ["release-api", "release-worker", "release-worker-pointer"],
};

/** Queues, identity with its roles, subnet, machines, rules, alert. */
const POOL_RESOURCES = 34;
/** A vault that is protected cannot be purged either. Other resources are protected by Pulumi alone. */
const PROTECTED = { update: ["jobyard-secrets"] };

/**
 * A new scale set, with the right to protect its machines, before the old one is deleted; and updates of all
 * references.
 */
const NEW_SCALE_SET: Changes = {
  create: [WORKERS, "pool-default-protect-scale-set"],
  update: ["autoscale-default-setting", "watch-workbook", "watch-workers-unavailable-default"],
  remove: [WORKERS, "pool-default-protect-scale-set"],
};

const poolsSchema = z.record(z.string(), z.looseObject({ subnet: z.number().optional() }));
type Pools = z.infer<typeof poolsSchema>;

/** The pools in the settings, in either form. */
function pools({ settings }: Life): Pools {
  const { pools: given = {} } = settings;
  return poolsSchema.parse(typeof given === "string" ? JSON.parse(given) : given);
}

/** Adds these keys to the default pool. */
const withDefault = (life: Life, own: Properties): { readonly pools: Pools } => ({
  pools: { ...pools(life), default: { ...pools(life)["default"], ...own } },
});

const capacity = (life: Life): unknown => at(inputsOf(life, WORKERS), "sku.capacity");

/** Does in the stand-in what `recover` prints for the Azure CLI. */
function deleteBlobs(cloud: CloudRecord, output: string): void {
  const command = /az storage blob delete --account-name (\S+) --container-name (\S+) --name (\S+)/g;
  for (const [, account = "", container = "", name = ""] of output.matchAll(command)) {
    const isIt = (id: string): boolean =>
      id.includes(`/storageAccounts/${account}/`) && id.endsWith(`/containers/${container}/blobs/${name}`);
    for (const id of Object.keys(cloud)) if (isIt(id)) Reflect.deleteProperty(cloud, id);
  }
}

/** A change by hand, or by Azure. */
function drift({ stack }: Life, name: string, change: (inputs: Properties) => Properties): void {
  for (const [id, resource] of Object.entries(stack.cloud)) {
    if (resource.name === name) stack.cloud[id] = { ...resource, inputs: change(resource.inputs) };
  }
}

export const LIFE_STEPS: readonly LifeStep[] = [
  {
    name: "up",
    title: "Everything is created.",
    async run(life) {
      const changes = await up(life);
      expectChanges(changes, { create: Object.values(life.stack.cloud).map(({ name }) => name) });
      expect(changes.create.length > 90, `Only ${changes.create.length} resources were created.`);
    },
  },
  {
    name: "again",
    title: "The same deployment again changes nothing.",
    run: async (life) => expectNone(await up(life)),
  },
  {
    name: "release",
    title: "A change of the code changes packages, pointer and the API's setting. The old packages are deleted.",
    async run(life) {
      await life.project.writeRelease("next");
      expectChanges(await up(life), RELEASE);
    },
  },
  {
    name: "rollback",
    title: "A rollback to the previous release makes the same changes.",
    async run(life) {
      await life.project.writeRelease("");
      expectChanges(await up(life), RELEASE);
    },
  },
  {
    name: "forward",
    title: "The later release is deployed again.",
    async run(life) {
      await life.project.writeRelease("next");
      expectChanges(await up(life), RELEASE);
      expectNone(await up(life));
    },
  },
  {
    name: "deployer",
    title: "Another deployer changes nothing.",
    run: async (life) => expectNone(await up(life, {}, { deployer: "00000000-0000-4000-8000-00000000dead" })),
  },
  {
    name: "autoscale",
    title: `A deployment keeps the ${DRIFTED} machines that autoscale has created.`,
    async run(life) {
      drift(life, WORKERS, (inputs) => ({
        ...inputs,
        sku: { ...(inputs["sku"] as Properties), capacity: DRIFTED },
      }));
      expectNone(await up(life));
      expect(capacity(life) === DRIFTED, `There are ${String(capacity(life))} machines.`);
    },
  },
  {
    name: "size",
    title: "Another machine size changes the pool's model, not the number of machines.",
    async run(life) {
      expectChanges(await up(life, withDefault(life, { vmSize: "Standard_D4as_v5" })), { update: [WORKERS] });
      expect(capacity(life) === DRIFTED, `There are ${String(capacity(life))} machines.`);
    },
  },
  {
    name: "tags",
    title: "Tags are changed in place, on every resource that has tags.",
    async run(life) {
      const tagged = Object.values(life.stack.cloud).filter(({ inputs }) => inputs["tags"] !== undefined);
      expectChanges(await up(life, { tags: { team: "jobs" } }), { update: tagged.map(({ name }) => name) });
      expect(capacity(life) === DRIFTED, `There are ${String(capacity(life))} machines.`);
    },
  },
  {
    name: "egress",
    title: "The outbound route of every pool changes, and changes back.",
    async run(life) {
      const { egress } = life.settings;
      const names = ["default", ...Object.keys(pools(life)).filter((name) => name !== "default")];
      const update = names.flatMap((name) => [`network-pool-${name}-subnet`, `pool-${name}-workers`]);
      const gateway = ["network-nat", "network-nat-address"];
      const toAddresses = { update, remove: gateway };
      const toGateway = { update, create: gateway };
      const [there, back] = egress === "instancePublicIp" ? [toGateway, toAddresses] : [toAddresses, toGateway];
      const other = egress === "instancePublicIp" ? "nat" : "instancePublicIp";
      expectChanges(await up(life, { egress: other }), there);
      expectChanges(await up(life, { egress }), back);
    },
  },
  {
    name: "pool",
    title: "A pool whose name sorts first is added and removed. No subnet moves.",
    async run(life) {
      const { pools: before, protectData } = life.settings;
      const used = Object.values(pools(life)).map(({ subnet = 0 }) => subnet);
      const added = await up(life, { pools: { ...pools(life), archive: { subnet: Math.max(0, ...used) + 1 } } });
      const update = ["jobyard-api-host", "jobyard-secrets", "jobyarddata", "watch-workbook"];
      expectChanges(added, { create: added.create.filter((name) => name.includes("archive")), update });
      expect(added.create.length === POOL_RESOURCES, `A pool has ${added.create.length} resources.`);
      // A protected stack would refuse to delete its queues.
      const changed = protectData ? PROTECTED : {};
      expectChanges(await up(life, { protectData: false }), changed);
      expectChanges(await up(life, { pools: before }), { update, remove: added.create });
      expectChanges(await up(life, { protectData }), changed);
    },
  },
  {
    name: "spot",
    title: "A change to Spot machines creates a new scale set, and so does the change back.",
    async run(life) {
      for (const spot of [true, false]) expectChanges(await up(life, withDefault(life, { spot })), NEW_SCALE_SET);
    },
  },
  {
    name: "fixed",
    title:
      "A fixed number of machines removes autoscale. Above 100 it creates a new scale set, above 200 it turns repairs off.",
    async run(life) {
      const fixed = (count: number) => withDefault(life, { autoscale: false, count });
      const rules = ["autoscale-default-log", "autoscale-default-setting"];
      const { create, update, remove } = NEW_SCALE_SET;
      const watches = update.filter((name) => !rules.includes(name));
      expectChanges(await up(life, fixed(5)), { update: [WORKERS], remove: rules });
      expectChanges(await up(life, fixed(150)), { create, update: watches, remove });
      expectChanges(await up(life, fixed(250)), { update: [WORKERS] });
      expect(capacity(life) === 250, `There are ${String(capacity(life))} machines.`);
      const back = await up(life, withDefault(life, { autoscale: true, count: undefined }));
      expectChanges(back, { create: [...create, ...rules], update: watches, remove });
    },
  },
  {
    name: "timers",
    title:
      "Pulumi takes over the timers' subscriptions, and then the API again. Their filters cannot be read for minutes.",
    async run(life) {
      const { create } = await up(life, { runtimeRegistration: false });
      const made = create.filter((name) => name.startsWith("bus-"));
      // The samples have timers; the packages of a fork may have none.
      const hasSamples = life.settings["deploySamples"] === "true" && existsSync(join(ROOT, "packages-sample"));
      if (made.length === 0 && !hasSamples) {
        await up(life, { runtimeRegistration: undefined });
        return;
      }
      expect(
        made.some((name) => name.endsWith("-filter")),
        "No subscription has a filter.",
      );
      await expectRefusal(up(life), "could not read $Default rule");
      timePasses(life.stack.cloud);
      expectNone(await up(life));
      const { remove } = await up(life, { runtimeRegistration: undefined });
      const gone = remove.filter((name) => name.startsWith("bus-"));
      expect(gone.join() === made.join(), `Of ${made.join()} only these were deleted: ${gone.join()}.`);
    },
  },
  {
    name: "never",
    title: "Changes that Azure cannot make in place are refused, and the old settings stay deployed.",
    async run(life) {
      const { storageReplication = "LRS", busSku, addressSpace } = life.settings;
      const otherReplication = storageReplication === "LRS" ? "ZRS" : "LRS";
      await expectRefusal(up(life, { storageReplication: otherReplication }), `Standard_${otherReplication} migrates`);
      expectNone(await up(life, { storageReplication }));
      const otherSku = busSku === "Premium" ? "Standard" : "Premium";
      await expectRefusal(up(life, { busSku: otherSku }), "PropertyChangeNotAllowed: Changing property 'sku.tier'");
      expectNone(await up(life, { busSku }));
      await expectRefusal(up(life, { addressSpace: "10.99.0.0/16" }), "NetcfgSubnetRangeOutsideVnet");
      expectNone(await up(life, { addressSpace }));
    },
  },
  {
    name: "protect",
    title: "A destroy of protected data is refused, and nothing is deleted.",
    async run(life) {
      const changed = life.settings.protectData ? {} : PROTECTED;
      expectChanges(await up(life, { protectData: true }), changed);
      const before = Object.keys(life.stack.cloud);
      await expectRefusal(life.stack.destroy(), "protected");
      expect(
        before.every((id) => life.stack.cloud[id] !== undefined),
        "Something was deleted.",
      );
      expectChanges(await up(life, { protectData: false }), PROTECTED);
    },
  },
  {
    name: "destroy",
    title: "Every created resource is deleted.",
    async run({ stack }) {
      await stack.destroy();
      expect(Object.keys(stack.cloud).length === 0, `Left: ${Object.keys(stack.cloud).join(", ")}.`);
    },
  },
  {
    name: "death",
    title: "One command recovers a deployment whose engine was killed halfway. The next deployment finishes it.",
    async run(life) {
      const { stack } = life;
      await expectRefusal(up(life, {}, { dieAfter: DEATH_AFTER }), "");
      await expectRefusal(up(life), "");
      const output = await stack.recover();
      deleteBlobs(stack.cloud, output);
      const { create, ...others } = await up(life);
      expect(create.length > 0, "Nothing was left to create.");
      expectChanges({ create: [], ...others }, {});
      expectNone(await up(life));
      // Only ids of Entra ID do not follow from the inputs.
      const names = Object.values(stack.cloud).map(({ name }) => name);
      const doubles = names.filter((name, index) => names.indexOf(name) !== index);
      for (const name of doubles)
        expect(output.includes(`::${name}`), `${name} exists twice, and recover did not report it.`);
      await stack.destroy();
      const left = Object.values(stack.cloud).map(({ name }) => name);
      expect(left.toSorted().join() === doubles.toSorted().join(), `Left: ${left.join(", ")}.`);
    },
  },
];
