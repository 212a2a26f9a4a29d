/**
 * Computes what a stack's state lacks after a killed `pulumi up`. Pulumi records each creation before its request, with
 * all inputs, including generated names. The id follows from those, so the resource can be added to the state
 * afterwards. The next `pulumi up` reads every resource first, and removes from the state what the cloud does not have.
 */
import { z } from "zod";
import { resourceId } from "../rehearsal/pulumi/azure-names.ts";

const resourceSchema = z.looseObject({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
});
/** The output of `pulumi stack export`, as far as it is read here. Other parts stay unchanged. */
export const stateSchema = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(resourceSchema).optional(),
    pending_operations: z.array(z.looseObject({ type: z.string(), resource: resourceSchema })).optional(),
  }),
});
export type StackState = z.infer<typeof stateSchema>;
type StateResource = z.infer<typeof resourceSchema>;

export interface RecoveredState {
  readonly state: StackState;
  /** Ids of resources that may exist in the cloud, and are now in the state. */
  readonly added: readonly string[];
  /** URNs of resources whose id only the service knows. One may exist, and the next `up` creates another. */
  readonly unknown: readonly string[];
  /** Ids of resources that have a second one in the state: created again by a later `up`, or to be replaced. */
  readonly doubles: readonly string[];
  /** Ids of blobs that must be deleted if they exist: Pulumi can neither adopt nor overwrite a blob. */
  readonly blobs: readonly string[];
}

const BLOB = "azure-native:storage:Blob";
const AZURE = "azure-native:";

/** `subscriptionId` is needed only if the state contains no Azure resource yet. */
export function recoveredState(given: StackState, subscriptionId?: string): RecoveredState {
  const { resources = [], pending_operations: pending = [], ...deployment } = given.deployment;
  const subscription = subscriptionOf(resources) ?? subscriptionId;
  const known = new Set(resources.map(({ id }) => id?.toLowerCase()));
  const recorded = new Set(resources.map(({ urn }) => urn));
  const added: StateResource[] = [];
  const [unknown, doubles, blobs]: [string[], string[], string[]] = [[], [], []];
  for (const { type, resource } of pending) {
    // All other pending operations have their resource in the state already.
    if (type !== "creating") continue;
    const id = idOf(resource, subscription);
    if (id === undefined) unknown.push(resource.urn);
    else if (known.has(id.toLowerCase())) continue;
    else if (resource.type === BLOB) blobs.push(id);
    else if (recorded.has(resource.urn)) doubles.push(id);
    else added.push({ ...resource, id, outputs: {} });
    known.add(id?.toLowerCase());
    recorded.add(resource.urn);
  }
  return {
    state: { ...given, deployment: { ...deployment, resources: [...resources, ...added] } },
    added: added.map(({ id = "" }) => id),
    ...{ unknown, doubles, blobs },
  };
}

function idOf({ type, inputs }: StateResource, subscriptionId: string | undefined): string | undefined {
  if (!type.startsWith(AZURE) || inputs === undefined || subscriptionId === undefined) return undefined;
  try {
    return resourceId(type.slice(AZURE.length), inputs, subscriptionId);
  } catch (error) {
    // A type that is not in the table, or a name that is encrypted.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const subscriptionOf = (resources: readonly StateResource[]): string | undefined =>
  resources.map(({ id }) => /^\/subscriptions\/([^/]+)\//.exec(id ?? "")?.[1]).find((found) => found !== undefined);

/** The message for the user, with the steps that are left to do. */
export function recoveryLines({ added, unknown, doubles, blobs }: RecoveredState): readonly string[] {
  const section = (title: string, items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`)];
  return [
    `${added.length} resources were started and not recorded. They are in the state now. \`up\` finds those that exist.`,
    ...section("Written down:", added),
    ...section(
      "The state has another resource for each of these. Delete these if they exist and nothing uses them:",
      doubles.map((id) => `az resource delete --ids ${id}`),
    ),
    ...section("Delete these, because `up` can neither adopt nor overwrite a blob:", blobs.map(deleteCommand)),
    ...section(
      "These may exist, with an id that only Entra ID knows. `up` creates another. Delete the first:",
      unknown.map(nameOf),
    ),
  ];
}

function deleteCommand(blobId: string): string {
  const [, account = "", container = "", name = ""] =
    /\/storageAccounts\/([^/]+)\/.*\/containers\/([^/]+)\/blobs\/(.+)$/.exec(blobId) ?? [];
  return `az storage blob delete --account-name ${account} --container-name ${container} --name ${name}`;
}

const nameOf = (urn: string): string => urn.split("::").slice(2).join("::");
