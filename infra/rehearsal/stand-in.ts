/**
 * Stands in for Azure behind both Pulumi providers: keeps every resource with its inputs, answers with the outputs the
 * program reads, and refuses what Azure and the providers refuse.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { API_CLIENT_ID, DIRECTORY_ID, PUBLIC_CLIENT_ID } from "../../runtime/local/identity/principals.ts";
import type { Properties } from "../tools/stub-engine.ts";
import { autoName, namingInput, resourceId, stableGuid, SUBSCRIPTION_ID } from "./azure-names.ts";

export type { Properties };

export interface RecordedResource {
  /** As in the program, with the provider: `azure-native:storage:Table`. */
  readonly type: string;
  /** Its name in the program. */
  readonly name: string;
  readonly inputs: Properties;
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

/** The id of whoever runs `pulumi up`. */
const DEPLOYER_OBJECT_ID = stableGuid("deployer");

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
};

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs */
const REPAIRS_MAX_INSTANCES = 200;
const ONE_PLACEMENT_GROUP_MAX_INSTANCES = 100;

/** `cloud` is changed in place; whoever keeps it saves it after each change. */
export function createStandIn(cloud: CloudRecord): StandIn {
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
      return { ...inputs, ...autoName(shortType(type), name, inputs) };
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
      const id = isEntra(type) ? `${type}/${stableGuid(type, name)}` : resourceId(shortType(type), inputs);
      if (cloud[id] !== undefined) throw new RefusedError(`cannot create already existing resource '${id}'`);
      judge(cloud, id, type, inputs);
      cloud[id] = { type, name, inputs };
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
      if (shortType(type) === "network:Subnet" && resource.inputs["addressPrefix"] !== inputs["addressPrefix"]) {
        throw new RefusedError(`InUsePrefixCannotBeChanged: ${id}`);
      }
      judge(cloud, id, type, inputs);
      const changed = { ...resource, inputs };
      cloud[id] = changed;
      return outputsOf(id, changed);
    },

    remove(id) {
      const users = Object.entries(cloud).filter(([, { inputs }]) => JSON.stringify(inputs).includes(`"${id}"`));
      if (shortType(found(id).type) === "network:Subnet" && users.length > 0) {
        throw new RefusedError(`InUseSubnetCannotBeDeleted: ${id} is in use by ${users[0]?.[0] ?? ""}`);
      }
      // With a group goes what is in it.
      const isGroup = shortType(found(id).type) === "resources:ResourceGroup";
      const gone = isGroup ? Object.keys(cloud).filter((other) => other.startsWith(`${id}/`)) : [];
      for (const other of [...gone, id]) Reflect.deleteProperty(cloud, other);
    },

    read(id) {
      const resource = cloud[id];
      return resource && { inputs: resource.inputs, outputs: outputsOf(id, resource) };
    },

    invoke: (token) =>
      token === "azure-native:authorization:getClientConfig"
        ? {
            subscriptionId: SUBSCRIPTION_ID,
            tenantId: DIRECTORY_ID,
            objectId: DEPLOYER_OBJECT_ID,
            clientId: stableGuid("pulumi"),
          }
        : {},
  };
}

/** `storage:Table` of `azure-native:storage:Table`. */
const shortType = (type: string): string => type.replace(/^azure-native:/, "");

const isEntra = (type: string): boolean => type.startsWith("azuread:");

function judge(cloud: CloudRecord, id: string, type: string, inputs: Properties): void {
  if (shortType(type) === "compute:VirtualMachineScaleSet") {
    const capacity = Number(at(inputs, "sku.capacity") ?? 0);
    if (capacity > REPAIRS_MAX_INSTANCES && at(inputs, "automaticRepairsPolicy.enabled") === true) {
      throw new RefusedError(`Automatic repairs allow ${REPAIRS_MAX_INSTANCES} instances at most, not ${capacity}.`);
    }
    if (capacity > ONE_PLACEMENT_GROUP_MAX_INSTANCES && inputs["singlePlacementGroup"] !== false) {
      throw new RefusedError(`A single placement group allows ${ONE_PLACEMENT_GROUP_MAX_INSTANCES} instances.`);
    }
  }
  if (shortType(type) === "network:Subnet") {
    const other = Object.entries(cloud).find(
      ([otherId, resource]) =>
        otherId !== id && resource.type === type && resource.inputs["addressPrefix"] === inputs["addressPrefix"],
    );
    if (other !== undefined) throw new RefusedError(`NetcfgSubnetRangesOverlap: ${id} overlaps with ${other[0]}`);
  }
}

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
