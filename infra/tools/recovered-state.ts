/**
 * What a stack's state lacks after a `pulumi up` that died: it notes each creation before it asks for it, with the inputs,
 * names that it made up among them. The id follows from those, so the resource can be written down after the fact.
 * The next `pulumi up` reads every resource first, and forgets again what the cloud does not have.
 */
import { z } from "zod";
import { resourceId } from "../rehearsal/azure-names.ts";

const resourceSchema = z.looseObject({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
});
/** What `pulumi stack export` prints, as far as it is read here. The rest is kept as it is. */
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
  /** Ids of resources that may be in the cloud, and are in the state now. */
  readonly added: readonly string[];
  /** URNs of resources whose id only their maker knows: one may be there, and the next `up` makes another. */
  readonly unknown: readonly string[];
  /** Ids of resources beside which another is recorded: made again by a later `up`, or to be replaced. Nobody owns these. */
  readonly doubles: readonly string[];
  /** Ids of blobs that must be deleted if they are there: Pulumi can neither adopt nor overwrite a blob. */
  readonly blobs: readonly string[];
}

const BLOB = "azure-native:storage:Blob";
const AZURE = "azure-native:";

/** `subscriptionId` is needed only where the state knows no Azure resource yet. */
export function recoveredState(given: StackState, subscriptionId?: string): RecoveredState {
  const { resources = [], pending_operations: pending = [], ...deployment } = given.deployment;
  const subscription = subscriptionOf(resources) ?? subscriptionId;
  const known = new Set(resources.map(({ id }) => id?.toLowerCase()));
  const recorded = new Set(resources.map(({ urn }) => urn));
  const added: StateResource[] = [];
  const [unknown, doubles, blobs]: [string[], string[], string[]] = [[], [], []];
  for (const { type, resource } of pending) {
    // Whatever else was under way has its resource in the state already.
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
    // A type nobody has entered, or a name that is encrypted.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const subscriptionOf = (resources: readonly StateResource[]): string | undefined =>
  resources.map(({ id }) => /^\/subscriptions\/([^/]+)\//.exec(id ?? "")?.[1]).find((found) => found !== undefined);

/** What a person is told, and may have to do. */
export function recoveryLines({ added, unknown, doubles, blobs }: RecoveredState): readonly string[] {
  const section = (title: string, items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`)];
  return [
    `${added.length} resources were begun and not recorded. They are in the state now; if they were made, \`up\` finds them.`,
    ...section("Written down:", added),
    ...section(
      "Another is in the state under the same name of the program. Delete these, if they are there and nothing uses them:",
      doubles.map((id) => `az resource delete --ids ${id}`),
    ),
    ...section("Delete these, since `up` can neither take over nor overwrite a blob:", blobs.map(deleteCommand)),
    ...section(
      "Perhaps made, with an id that only Entra ID knows. `up` makes another; delete the first:",
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
