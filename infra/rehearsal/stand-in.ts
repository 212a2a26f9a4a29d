/**
 * Stands in for Azure behind both Pulumi providers: keeps every resource with its inputs, answers with the outputs the
 * program reads, and refuses what Azure and the providers refuse.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { API_CLIENT_ID, DIRECTORY_ID, PUBLIC_CLIENT_ID } from "../../runtime/local/identity/principals.ts";
import { parseAddressSpace } from "../plan/subnets.ts";
import type { Properties } from "../tools/stub-engine.ts";
import { autoName, nameProblem, namingInput, resourceId, stableGuid, SUBSCRIPTION_ID } from "./azure-names.ts";

export type { Properties };

export interface RecordedResource {
  /** As in the program, with the provider: `azure-native:storage:Table`. */
  readonly type: string;
  /** Its name in the program. */
  readonly name: string;
  readonly inputs: Properties;
  /** Azure is not done with its last change: a filter cannot be read, a subnet cannot be deleted. Until `timePasses`. */
  readonly unsettled?: true;
}

/** Everything there is, by id. JSON. */
export type CloudRecord = Record<string, RecordedResource>;

/** Where the content of a blob lies, and its hash. */
export interface RecordedAsset {
  readonly hash: string;
  readonly path?: string;
  readonly text?: string;
}

/** Azure, or the provider in front of it, does not do that. The message is close to the original. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

export interface ResourceDiff {
  readonly changed: readonly string[];
  /** Those of them that cannot be changed in place: the resource is replaced. */
  readonly replaces: readonly string[];
}

export interface StandIn {
  /** The inputs with the name that Pulumi makes up, or made up before. */
  check(type: string, name: string, inputs: Properties, before: Properties | undefined): Properties;
  diff(id: string, type: string, inputs: Properties): ResourceDiff;
  /** Each throws RefusedError. */
  create(type: string, name: string, inputs: Properties): { readonly id: string; readonly outputs: Properties };
  update(id: string, type: string, inputs: Properties): Properties;
  remove(id: string): void;
  /** Undefined when it is not there. */
  read(id: string): { readonly inputs: Properties; readonly outputs: Properties } | undefined;
  invoke(token: string): Properties;
}

export interface StandInOptions {
  /** The object id of whoever runs `pulumi up`. */
  readonly deployer?: () => string | undefined;
  /** Hears of each change after it was made. */
  readonly onChange?: (verb: ChangeVerb, name: string) => void;
}

export type ChangeVerb = "create" | "update" | "remove";

/** What is replaced when it changes, besides its name. From azure-native's own lists, as far as this project uses them. */
const REPLACING: Readonly<Record<string, readonly string[]>> = {
  "storage:Blob": ["accountName", "containerName", "source", "type"],
  "authorization:RoleAssignment": ["principalId", "roleDefinitionId", "scope", "principalType", "description"],
};
const REPLACING_ALWAYS: readonly string[] = ["location", "resourceGroupName", "accountName", "namespaceName"];

/** What Azure refuses to change in place. */
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
/** Between these, copies of an account change in place; between the two it is a migration. */
const ZONAL_REPLICATION = /^Standard_(?:ZRS|GZRS|RAGZRS)$/;
/** What App Service runs in a subnet keeps a hold on it for a while after it is gone. */
const SITE = "web:WebApp";
const FILTER = "servicebus:DefaultRule";

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs */
const REPAIRS_MAX_INSTANCES = 200;
const ONE_PLACEMENT_GROUP_MAX_INSTANCES = 100;

/** `cloud` is changed in place; whoever keeps it saves it after each change. */
export function createStandIn(cloud: CloudRecord, { deployer, onChange }: StandInOptions = {}): StandIn {
  const found = (id: string): RecordedResource => {
    const resource = cloud[id];
    if (resource === undefined) throw new RefusedError(`ResourceNotFound: ${id}`);
    return resource;
  };
  return {
    check(type, name, inputs, before) {
      const key = namingInput(shortType(type));
      const kept = key === undefined ? undefined : before?.[key];
      if (key !== undefined && kept !== undefined && inputs[key] === undefined) return { ...inputs, [key]: kept };
      const isTaken = (made: unknown): boolean =>
        key !== undefined && Object.values(cloud).some((other) => other.type === type && other.inputs[key] === made);
      return { ...inputs, ...autoName(shortType(type), name, inputs, isTaken) };
    },

    diff(id, type, given) {
      const before = found(id).inputs;
      const inputs = recordable(given);
      const short = shortType(type);
      const changed = [...new Set([...Object.keys(before), ...Object.keys(inputs)])].filter(
        (key) => !key.startsWith("__") && !same(before[key], inputs[key]),
      );
      const replacing = [...REPLACING_ALWAYS, ...(REPLACING[short] ?? []), namingInput(short)];
      return { changed, replaces: changed.filter((key) => replacing.includes(key)) };
    },

    create(type, name, given) {
      const inputs = recordable(given);
      const id = isEntra(type) ? entraId(cloud, type, name) : resourceId(shortType(type), inputs);
      if (cloud[id] !== undefined) throw new RefusedError(`cannot create already existing resource '${id}'`);
      judge(cloud, id, type, inputs);
      cloud[id] = { type, name, inputs, ...(shortType(type) === FILTER && { unsettled: true }) };
      onChange?.("create", name);
      return { id, outputs: outputsOf(id, cloud[id]) };
    },

    update(id, type, given) {
      const inputs = recordable(given);
      const resource = found(id);
      for (const path of IMMUTABLE[shortType(type)] ?? []) {
        if (!same(at(resource.inputs, path), at(inputs, path))) {
          throw new RefusedError(`PropertyChangeNotAllowed: Changing property '${path}' of ${id} is not allowed.`);
        }
      }
      const moves = resource.inputs["addressPrefix"] !== inputs["addressPrefix"];
      if (shortType(type) === "network:Subnet" && moves && usersOf(cloud, id).length > 0) {
        throw new RefusedError(`InUsePrefixCannotBeChanged: ${id}`);
      }
      if (shortType(type) === "storage:StorageAccount") {
        const [from, to] = [resource.inputs, inputs].map((of) => ZONAL_REPLICATION.test(String(at(of, "sku.name"))));
        if (from !== to) throw new RefusedError(`A change to ${String(at(inputs, "sku.name"))} migrates ${id}.`);
      }
      judge(cloud, id, type, inputs);
      const changed = { ...resource, inputs, ...(shortType(type) === FILTER && { unsettled: true as const }) };
      cloud[id] = changed;
      onChange?.("update", resource.name);
      return outputsOf(id, changed);
    },

    remove(id) {
      const resource = found(id);
      const users = usersOf(cloud, id);
      if (shortType(resource.type) === "network:Subnet") {
        if (users.length > 0)
          throw new RefusedError(`InUseSubnetCannotBeDeleted: ${id} is in use by ${users[0] ?? ""}`);
        if (resource.unsettled) {
          throw new RefusedError(
            `InUseSubnetCannotBeDeleted: ${id} is in use by serviceAssociationLinks/AppServiceLink`,
          );
        }
      }
      const assigned = Object.entries(cloud).find(([, { inputs }]) => inputs["roleDefinitionId"] === id);
      if (assigned !== undefined) throw new RefusedError(`RoleDefinitionHasAssignments: ${id}, by ${assigned[0]}`);
      // With a group goes what is in it.
      const isGroup = shortType(resource.type) === "resources:ResourceGroup";
      const gone = isGroup ? Object.keys(cloud).filter((other) => other.startsWith(`${id}/`)) : [];
      for (const other of [...gone, id]) Reflect.deleteProperty(cloud, other);
      const subnetId = String(resource.inputs["virtualNetworkSubnetId"]);
      const subnet = shortType(resource.type) === SITE ? cloud[subnetId] : undefined;
      if (subnet !== undefined) cloud[subnetId] = { ...subnet, unsettled: true };
      onChange?.("remove", resource.name);
    },

    read(id) {
      const resource = cloud[id];
      if (resource?.unsettled && shortType(resource.type) === FILTER) {
        throw new RefusedError(`could not read $Default rule ${id}, even though its parent subscription still exists`);
      }
      return resource && { inputs: resource.inputs, outputs: outputsOf(id, resource) };
    },

    invoke: (token) =>
      token === "azure-native:authorization:getClientConfig"
        ? {
            subscriptionId: SUBSCRIPTION_ID,
            tenantId: DIRECTORY_ID,
            objectId: deployer?.() ?? DEPLOYER,
            clientId: stableGuid("pulumi"),
          }
        : {},
  };
}

const DEPLOYER = stableGuid("deployer");

/** Some minutes: from now on Azure is done with its changes. */
export function timePasses(cloud: CloudRecord): void {
  for (const [id, { unsettled: _done, ...resource }] of Object.entries(cloud)) cloud[id] = resource;
}

/** The directory makes a new id each time, and minds no second one of the same name. */
function entraId(cloud: CloudRecord, type: string, name: string): string {
  for (let turn = 0; ; turn++) {
    const id = `${type}/${stableGuid(type, name, ...(turn === 0 ? [] : [String(turn)]))}`;
    if (cloud[id] === undefined) return id;
  }
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

/** `storage:Table` of `azure-native:storage:Table`. */
const shortType = (type: string): string => type.replace(/^azure-native:/, "");

const isEntra = (type: string): boolean => type.startsWith("azuread:");

function judge(cloud: CloudRecord, id: string, type: string, inputs: Properties): void {
  const short = shortType(type);
  const problem = nameProblem(short, inputs);
  if (problem !== undefined) throw new RefusedError(`InvalidResourceName: ${problem}`);
  if (short === "compute:VirtualMachineScaleSet") judgeScaleSet(inputs);
  if (short === "network:Subnet") judgeSubnet(cloud, id, inputs);
  if (short === "network:VirtualNetwork") judgeNetwork(cloud, id, inputs);
  if (short === "authorization:RoleAssignment") judgeRoleAssignment(cloud, id, inputs);
}

function judgeScaleSet(inputs: Properties): void {
  const capacity = Number(at(inputs, "sku.capacity") ?? 0);
  if (capacity > REPAIRS_MAX_INSTANCES && at(inputs, "automaticRepairsPolicy.enabled") === true) {
    throw new RefusedError(`Automatic repairs allow ${REPAIRS_MAX_INSTANCES} instances at most, not ${capacity}.`);
  }
  if (capacity > ONE_PLACEMENT_GROUP_MAX_INSTANCES && inputs["singlePlacementGroup"] !== false) {
    throw new RefusedError(`A single placement group allows ${ONE_PLACEMENT_GROUP_MAX_INSTANCES} instances.`);
  }
}

/** It lies in its network, beside the others. */
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

/** It has room for the subnets that are there. */
function judgeNetwork(cloud: CloudRecord, id: string, inputs: Properties): void {
  for (const [subnetId, { addressPrefix }] of subnetsOf(cloud, id)) {
    if (!prefixesOf(inputs).some((prefix) => isWithin(rangeOf(addressPrefix), rangeOf(prefix)))) {
      throw new RefusedError(`NetcfgSubnetRangeOutsideVnet: ${subnetId}`);
    }
  }
}

/** One and the same permission is there once, whatever its name. */
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

/** The outputs this program reads, besides the inputs. */
function outputsOf(id: string, { type, name, inputs }: RecordedResource): Properties {
  const lastName = id.split("/").at(-1) ?? name;
  const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => assetOf(value) === undefined));
  return { ...plain, ...(!isEntra(type) && { name: lastName }), ...moreOutputs(id, lastName, type, name, inputs) };
}

function moreOutputs(id: string, lastName: string, type: string, name: string, inputs: Properties): Properties {
  switch (shortType(type)) {
    case "managedidentity:UserAssignedIdentity":
      return { principalId: stableGuid("principal", id), clientId: stableGuid("client", id), tenantId: DIRECTORY_ID };
    case "applicationinsights:Component":
      return { connectionString: `InstrumentationKey=${stableGuid("key", id)}` };
    case "web:WebApp":
      return { defaultHostName: `${lastName}.azurewebsites.net` };
    case "storage:Blob": {
      const [account, container, blob] = ["accountName", "containerName", "blobName"].map((key) => String(inputs[key]));
      return { url: `https://${account ?? ""}.blob.core.windows.net/${container ?? ""}/${blob ?? ""}` };
    }
    case "resources:ResourceGroup":
      return { location: inputs["location"] ?? "westeurope" };
    case "azuread:index/application:Application":
      return {
        clientId: name.endsWith("client") ? PUBLIC_CLIENT_ID : API_CLIENT_ID,
        objectId: stableGuid("object", id),
      };
    default:
      return isEntra(type) ? { objectId: stableGuid("object", id) } : {};
  }
}

/** How Pulumi marks special values on the wire: an asset, a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Values as they are kept: an asset as its hash and its place, a secret in the open. */
export function recordable(value: Properties): Properties {
  return plain(value) as Properties;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Properties;
  if (fields[SIGNATURE] === SECRET) return plain(fields["value"]);
  if (fields[SIGNATURE] !== undefined) return { asset: recordedAsset(fields) };
  const entries = Object.entries(fields).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([key, field]) => [key, plain(field)]));
}

/** Programs give no hash. The engine adds it, and gives nothing else where it asks for differences. */
function recordedAsset({ hash, path, text }: Properties): RecordedAsset {
  const hashOr = (content: string | Buffer): string =>
    typeof hash === "string" ? hash : createHash("sha256").update(content).digest("hex");
  if (typeof path === "string") return { hash: hashOr(readFileSync(path)), path };
  if (typeof text === "string") return { hash: hashOr(text), text };
  if (typeof hash === "string") return { hash };
  throw new RangeError("An asset has neither a path nor a text; others cannot be rehearsed.");
}

/** The asset in a recorded value, if it is one. */
export function assetOf(value: unknown): RecordedAsset | undefined {
  return typeof value === "object" && value !== null && "asset" in value ? (value.asset as RecordedAsset) : undefined;
}

export const at = (value: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((inner, key) => (inner as Properties | undefined)?.[key], value);

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));

/** Objects with their keys in order; an asset is its content. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const asset = assetOf(value);
  if (asset !== undefined) return asset.hash;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  );
}
