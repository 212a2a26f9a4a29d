/**
 * The stand-in for Azure behind both Pulumi providers. It stores every resource with its inputs, returns the outputs
 * that the program reads, and refuses what Azure and the providers refuse.
 */
import { API_CLIENT_ID, DIRECTORY_ID, PUBLIC_CLIENT_ID } from "../../../runtime/local/identity/principals.ts";
import { INGESTION_HOST, autoName, namingInput, resourceId, stableGuid, SUBSCRIPTION_ID } from "./azure-names.ts";
import {
  assetOf,
  recordable,
  same,
  shortType,
  type CloudRecord,
  type Properties,
  type RecordedResource,
} from "./record.ts";
import { FILTER, judgeCreation, judgeRemoval, judgeUpdate, present, RefusedError, SITE } from "./refusals.ts";

export interface ResourceDiff {
  readonly changed: readonly string[];
  /** The changed inputs that cannot change in place: the resource is replaced. */
  readonly replaces: readonly string[];
}

export interface StandIn {
  /** The inputs with the name that Pulumi generates, or has generated before. */
  check(type: string, name: string, inputs: Properties, before: Properties | undefined): Properties;
  diff(id: string, type: string, inputs: Properties): ResourceDiff;
  /** Each throws RefusedError. */
  create(type: string, name: string, inputs: Properties): { readonly id: string; readonly outputs: Properties };
  update(id: string, type: string, inputs: Properties): Properties;
  remove(id: string): void;
  /** Undefined if it does not exist. */
  read(id: string): { readonly inputs: Properties; readonly outputs: Properties } | undefined;
  invoke(token: string): Properties;
}

export interface StandInOptions {
  /** The object id of the identity that runs `pulumi up`. */
  readonly deployer?: () => string | undefined;
  /** Called after each change. */
  readonly onChange?: (verb: ChangeVerb, name: string) => void;
}

export type ChangeVerb = "create" | "update" | "remove";

/**
 * A change of these replaces the resource, in addition to its name. From azure-native's own lists, as far as used here.
 */
const REPLACING: Readonly<Record<string, readonly string[]>> = {
  "storage:Blob": ["accountName", "containerName", "source", "type"],
  "authorization:RoleAssignment": ["principalId", "roleDefinitionId", "scope", "principalType", "description"],
};
const REPLACING_ALWAYS: readonly string[] = ["location", "resourceGroupName", "accountName", "namespaceName"];

/** Changes `cloud` in place. The caller saves it after each change. */
export function createStandIn(cloud: CloudRecord, { deployer, onChange }: StandInOptions = {}): StandIn {
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
      const before = present(cloud, id).inputs;
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
      judgeCreation(cloud, id, type, inputs);
      cloud[id] = { type, name, inputs, ...(shortType(type) === FILTER && { unsettled: true }) };
      onChange?.("create", name);
      return { id, outputs: outputsOf(id, cloud[id]) };
    },

    update(id, type, given) {
      const inputs = recordable(given);
      const resource = present(cloud, id);
      judgeUpdate(cloud, id, inputs);
      const changed = { ...resource, inputs, ...(shortType(type) === FILTER && { unsettled: true as const }) };
      cloud[id] = changed;
      onChange?.("update", resource.name);
      return outputsOf(id, changed);
    },

    remove(id) {
      const resource = present(cloud, id);
      judgeRemoval(cloud, id);
      // A group is deleted with its resources.
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

/** Some minutes pass: Azure finishes its changes. */
export function timePasses(cloud: CloudRecord): void {
  for (const [id, { unsettled: _done, ...resource }] of Object.entries(cloud)) cloud[id] = resource;
}

/** The directory creates a new id each time, and allows two with the same name. */
function entraId(cloud: CloudRecord, type: string, name: string): string {
  for (let turn = 0; ; turn++) {
    const id = `${type}/${stableGuid(type, name, ...(turn === 0 ? [] : [String(turn)]))}`;
    if (cloud[id] === undefined) return id;
  }
}

const isEntra = (type: string): boolean => type.startsWith("azuread:");

/** The outputs that this program reads, in addition to the inputs. */
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
      return {
        connectionString: `InstrumentationKey=${stableGuid("key", id)};IngestionEndpoint=https://${INGESTION_HOST}/`,
      };
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
