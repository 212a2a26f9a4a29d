/** What Azure and its providers refuse to create, change and delete. docs/rehearse.md has the list. */
import { parseAddressSpace } from "../../plan/subnets.ts";
import { nameProblem } from "./azure-names.ts";
import { at, same, shortType, type CloudRecord, type Properties, type RecordedResource } from "./record.ts";

/** Azure, or its provider, refuses this. The message is close to the original. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** Properties that Azure cannot change in place. */
const IMMUTABLE: Readonly<Record<string, readonly string[]>> = {
  "compute:VirtualMachineScaleSet": [
    "platformFaultDomainCount",
    "singlePlacementGroup",
    "virtualMachineProfile.priority",
    "virtualMachineProfile.evictionPolicy",
    "virtualMachineProfile.osProfile.computerNamePrefix",
  ],
  "servicebus:Queue": ["requiresDuplicateDetection", "requiresSession", "enablePartitioning"],
  "servicebus:Topic": ["requiresDuplicateDetection", "enablePartitioning"],
  "servicebus:Namespace": ["sku.tier"],
};
/** Azure changes copies in place among these, and among the others. Between the two groups it is a migration. */
const ZONAL_REPLICATION = /^Standard_(?:ZRS|GZRS|RAGZRS)$/;
/** An app of App Service holds its subnet for a while after it was deleted. */
export const SITE = "web:WebApp";
export const FILTER = "servicebus:DefaultRule";

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs */
const REPAIRS_MAX_INSTANCES = 200;
const ONE_PLACEMENT_GROUP_MAX_INSTANCES = 100;

/** Throws RefusedError. */
export function judgeCreation(cloud: CloudRecord, id: string, type: string, inputs: Properties): void {
  const short = shortType(type);
  const problem = nameProblem(short, inputs);
  if (problem !== undefined) throw new RefusedError(`InvalidResourceName: ${problem}`);
  if (short === "compute:VirtualMachineScaleSet") judgeScaleSet(inputs);
  if (short === "network:Subnet") judgeSubnet(cloud, id, inputs);
  if (short === "network:VirtualNetwork") judgeNetwork(cloud, id, inputs);
  if (short === "authorization:RoleAssignment") judgeRoleAssignment(cloud, id, inputs);
}

/** For an existing resource. Throws RefusedError. */
export function judgeUpdate(cloud: CloudRecord, id: string, inputs: Properties): void {
  const { type, inputs: before } = present(cloud, id);
  const short = shortType(type);
  for (const path of IMMUTABLE[short] ?? []) {
    if (!same(at(before, path), at(inputs, path))) {
      throw new RefusedError(`PropertyChangeNotAllowed: Changing property '${path}' of ${id} is not allowed.`);
    }
  }
  const moves = before["addressPrefix"] !== inputs["addressPrefix"];
  if (short === "network:Subnet" && moves && usersOf(cloud, id).length > 0) {
    throw new RefusedError(`InUsePrefixCannotBeChanged: ${id}`);
  }
  if (short === "storage:StorageAccount") {
    const [from, to] = [before, inputs].map((of) => ZONAL_REPLICATION.test(String(at(of, "sku.name"))));
    if (from !== to) throw new RefusedError(`A change to ${String(at(inputs, "sku.name"))} migrates ${id}.`);
  }
  judgeCreation(cloud, id, type, inputs);
}

/** For an existing resource. Throws RefusedError. */
export function judgeRemoval(cloud: CloudRecord, id: string): void {
  const { type, unsettled } = present(cloud, id);
  if (shortType(type) === "network:Subnet") {
    const [user] = usersOf(cloud, id);
    const holder = user ?? (unsettled ? "serviceAssociationLinks/AppServiceLink" : undefined);
    if (holder !== undefined) throw new RefusedError(`InUseSubnetCannotBeDeleted: ${id} is in use by ${holder}`);
  }
  const assigned = Object.entries(cloud).find(([, { inputs }]) => inputs["roleDefinitionId"] === id);
  if (assigned !== undefined) throw new RefusedError(`RoleDefinitionHasAssignments: ${id}, by ${assigned[0]}`);
}

/** Throws RefusedError if it does not exist. */
export function present(cloud: CloudRecord, id: string): RecordedResource {
  const resource = cloud[id];
  if (resource === undefined) throw new RefusedError(`ResourceNotFound: ${id}`);
  return resource;
}

/** Ids of the machines and apps in a subnet. */
const usersOf = (cloud: CloudRecord, subnetId: string): readonly string[] =>
  Object.entries(cloud)
    .filter(
      ([, { type, inputs }]) =>
        IN_SUBNETS.includes(shortType(type)) && JSON.stringify(inputs).includes(`"${subnetId}"`),
    )
    .map(([id]) => id);

const IN_SUBNETS: readonly string[] = ["compute:VirtualMachineScaleSet", SITE];

function judgeScaleSet(inputs: Properties): void {
  const capacity = Number(at(inputs, "sku.capacity") ?? 0);
  if (capacity > REPAIRS_MAX_INSTANCES && at(inputs, "automaticRepairsPolicy.enabled") === true) {
    throw new RefusedError(`Automatic repairs allow ${REPAIRS_MAX_INSTANCES} instances at most, not ${capacity}.`);
  }
  if (capacity > ONE_PLACEMENT_GROUP_MAX_INSTANCES && inputs["singlePlacementGroup"] !== false) {
    throw new RefusedError(`A single placement group allows ${ONE_PLACEMENT_GROUP_MAX_INSTANCES} instances.`);
  }
}

/** A subnet must be inside its network and must not overlap with others. */
function judgeSubnet(cloud: CloudRecord, id: string, inputs: Properties): void {
  const [networkId = ""] = id.split("/subnets/");
  const own = rangeOf(inputs["addressPrefix"]);
  const network = cloud[networkId]?.inputs;
  if (network !== undefined && !prefixesOf(network).some((prefix) => isWithin(own, rangeOf(prefix)))) {
    throw new RefusedError(`NetcfgSubnetRangeOutsideVnet: ${id}`);
  }
  for (const [otherId, other] of subnetsOf(cloud, networkId)) {
    const range = rangeOf(other["addressPrefix"]);
    if (otherId !== id && own.first <= range.last && range.first <= own.last) {
      throw new RefusedError(`NetcfgSubnetRangesOverlap: ${id} overlaps with ${otherId}`);
    }
  }
}

/** A network must contain its existing subnets. */
function judgeNetwork(cloud: CloudRecord, id: string, inputs: Properties): void {
  for (const [subnetId, { addressPrefix }] of subnetsOf(cloud, id)) {
    if (!prefixesOf(inputs).some((prefix) => isWithin(rangeOf(addressPrefix), rangeOf(prefix)))) {
      throw new RefusedError(`NetcfgSubnetRangeOutsideVnet: ${subnetId}`);
    }
  }
}

/** A permission can exist only once, under any name. */
function judgeRoleAssignment(cloud: CloudRecord, id: string, inputs: Properties): void {
  const key = (of: Properties): string => JSON.stringify([of["scope"], of["principalId"], of["roleDefinitionId"]]);
  const twin = Object.entries(cloud).find(
    ([otherId, other]) => otherId !== id && other.type.endsWith(":RoleAssignment") && key(other.inputs) === key(inputs),
  );
  if (twin !== undefined) throw new RefusedError(`RoleAssignmentExists: ${twin[0]}`);
}

const subnetsOf = (cloud: CloudRecord, networkId: string): readonly (readonly [string, Properties])[] =>
  Object.entries(cloud)
    .filter(([id, { type }]) => shortType(type) === "network:Subnet" && id.startsWith(`${networkId}/`))
    .map(([id, { inputs }]) => [id, inputs]);

const prefixesOf = (network: Properties): readonly unknown[] => {
  const prefixes = at(network, "addressSpace.addressPrefixes");
  return Array.isArray(prefixes) ? prefixes : [];
};

interface Range {
  readonly first: number;
  readonly last: number;
}

function rangeOf(prefix: unknown): Range {
  const space = parseAddressSpace(String(prefix));
  if (space === undefined) throw new RefusedError(`InvalidAddressPrefixFormat: ${String(prefix)}`);
  return { first: space.base, last: space.base + 2 ** (32 - space.prefix) - 1 };
}

const isWithin = (inner: Range, outer: Range): boolean => outer.first <= inner.first && inner.last <= outer.last;
