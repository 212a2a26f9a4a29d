/**
 * Ids and names of the Azure resources that this project deploys: the input that names a resource, whether Pulumi
 * generates the name, and the path of the id. A resource type that is missing here cannot be rehearsed.
 */
import { createHash } from "node:crypto";

export const SUBSCRIPTION_ID = "00000000-0000-4000-8000-000000000001";

interface Naming {
  /** The input that contains the name. Undefined if the path says everything. */
  readonly input?: string;
  /** Pulumi appends random digits to the logical name if the program gives no name. */
  readonly auto?: boolean;
  /**
   * The names that Azure accepts.
   * https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
   */
  readonly form?: RegExp;
  /** The path of the id, with inputs in braces. It begins at the resource group, or at the scope with `{scope}`. */
  readonly path: string;
}

/** Where Application Insights takes telemetry, in the stand-in's region. */
export const INGESTION_HOST = "westeurope-5.in.applicationinsights.azure.com";

const STORAGE = "Microsoft.Storage/storageAccounts/{accountName}";
const BUS = "Microsoft.ServiceBus/namespaces/{namespaceName}";
const SUBSCRIPTION = `${BUS}/topics/{topicName}/subscriptions/{subscriptionName}`;
const SITE = "Microsoft.Web/sites/{name}";

const named = (input: string, path: string, form?: RegExp): Naming => ({ input, path, ...(form && { form }) });
const auto = (input: string, path: string, form?: RegExp): Naming => ({ ...named(input, path, form), auto: true });

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** For most of compute and network: no hyphen or dot at the end. */
const plain = (max: number): RegExp => new RegExp(`^[A-Za-z0-9](?:[\\w.-]{0,${max - 2}}\\w)?$`);

const ENTITY = /^[A-Za-z0-9](?:[\w./-]{0,258}[A-Za-z0-9])?$/;

/** By type, without the provider's name. */
const NAMING: Readonly<Record<string, Naming>> = {
  "resources:ResourceGroup": auto("resourceGroupName", "", /^[\w.()-]{0,89}[\w()-]$/),
  "applicationinsights:Component": auto("resourceName", "Microsoft.Insights/components/{resourceName}"),
  "applicationinsights:Workbook": named("resourceName", "Microsoft.Insights/workbooks/{resourceName}", GUID),
  "compute:VirtualMachineScaleSet": auto(
    "vmScaleSetName",
    "Microsoft.Compute/virtualMachineScaleSets/{vmScaleSetName}",
    plain(64),
  ),
  "keyvault:Vault": auto(
    "vaultName",
    "Microsoft.KeyVault/vaults/{vaultName}",
    /^(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$/,
  ),
  "managedidentity:UserAssignedIdentity": auto(
    "resourceName",
    "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
    /^[A-Za-z0-9][\w-]{2,127}$/,
  ),
  "monitor:ActionGroup": auto("actionGroupName", "Microsoft.Insights/actionGroups/{actionGroupName}"),
  "monitor:AutoscaleSetting": auto(
    "autoscaleSettingName",
    "Microsoft.Insights/autoscaleSettings/{autoscaleSettingName}",
  ),
  "monitor:MetricAlert": auto("ruleName", "Microsoft.Insights/metricAlerts/{ruleName}"),
  "monitor:ScheduledQueryRule": auto("ruleName", "Microsoft.Insights/scheduledQueryRules/{ruleName}"),
  "monitor:DiagnosticSetting": auto("name", "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"),
  "network:NatGateway": auto("natGatewayName", "Microsoft.Network/natGateways/{natGatewayName}", plain(80)),
  "network:NetworkSecurityGroup": auto(
    "networkSecurityGroupName",
    "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
    plain(80),
  ),
  "network:PublicIPAddress": auto(
    "publicIpAddressName",
    "Microsoft.Network/publicIPAddresses/{publicIpAddressName}",
    plain(80),
  ),
  "network:VirtualNetwork": auto(
    "virtualNetworkName",
    "Microsoft.Network/virtualNetworks/{virtualNetworkName}",
    plain(64),
  ),
  "network:Subnet": auto(
    "subnetName",
    "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
    plain(80),
  ),
  "operationalinsights:Workspace": auto(
    "workspaceName",
    "Microsoft.OperationalInsights/workspaces/{workspaceName}",
    /^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$/,
  ),
  "servicebus:Namespace": auto("namespaceName", BUS, /^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]$/),
  "servicebus:NamespaceNetworkRuleSet": { path: `${BUS}/networkRuleSets/default` },
  "servicebus:Queue": named("queueName", `${BUS}/queues/{queueName}`, ENTITY),
  "servicebus:Topic": named("topicName", `${BUS}/topics/{topicName}`, ENTITY),
  "servicebus:Subscription": named("subscriptionName", SUBSCRIPTION, /^[A-Za-z0-9](?:[\w.-]{0,48}[A-Za-z0-9])?$/),
  "servicebus:DefaultRule": { path: `${SUBSCRIPTION}/rules/$Default` },
  "servicebus:Rule": named("ruleName", `${SUBSCRIPTION}/rules/{ruleName}`, /^[A-Za-z0-9](?:[\w.-]{0,48}[A-Za-z0-9])?$/),
  "storage:StorageAccount": auto("accountName", STORAGE, /^[a-z0-9]{3,24}$/),
  "storage:BlobServiceProperties": { path: `${STORAGE}/blobServices/default` },
  "storage:ManagementPolicy": { path: `${STORAGE}/managementPolicies/default` },
  "storage:BlobContainer": named(
    "containerName",
    `${STORAGE}/blobServices/default/containers/{containerName}`,
    /^(?!.{64})[a-z0-9](?:-?[a-z0-9]){2,}$/,
  ),
  "storage:Table": named(
    "tableName",
    `${STORAGE}/tableServices/default/tables/{tableName}`,
    /^[A-Za-z][A-Za-z0-9]{2,62}$/,
  ),
  "storage:Blob": named("blobName", `${STORAGE}/blobServices/default/containers/{containerName}/blobs/{blobName}`),
  "web:AppServicePlan": auto("name", "Microsoft.Web/serverFarms/{name}", /^[A-Za-z0-9-]{1,40}$/),
  "web:WebApp": auto("name", SITE, /^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$/),
  "web:WebAppFtpAllowed": { path: `${SITE}/basicPublishingCredentialsPolicies/ftp` },
  "web:WebAppScmAllowed": { path: `${SITE}/basicPublishingCredentialsPolicies/scm` },
  "authorization:RoleAssignment": auto(
    "roleAssignmentName",
    "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
    GUID,
  ),
  "authorization:RoleDefinition": auto(
    "roleDefinitionId",
    "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
    GUID,
  ),
};

type Inputs = Readonly<Record<string, unknown>>;

/** The input that names a resource of this type, if there is one. */
export const namingInput = (type: string): string | undefined => NAMING[type]?.input;

/** The problem with a resource's name. Undefined: none. */
export function nameProblem(type: string, inputs: Inputs): string | undefined {
  const { input, form } = NAMING[type] ?? {};
  if (input === undefined || form === undefined) return undefined;
  const name = textOf(inputs[input]);
  return form.test(name) ? undefined : `'${name}' is no name of ${type}, which takes ${form.source}`;
}

/** A GUID that depends only on the words. */
export const stableGuid = (...words: readonly string[]): string =>
  createHash("sha256")
    .update(words.join("\n"))
    .digest("hex")
    .replace(/^(.{8}).(.{3}).(.{3}).(.{3})(.{12}).*$/, "$1-0$2-4$3-8$4-$5");

/**
 * The name that Pulumi generates for a resource. Undefined if the resource has a name or needs none. Each call returns
 * another name if the first is taken.
 */
export function autoName(
  type: string,
  logicalName: string,
  inputs: Inputs,
  isTaken: (name: string) => boolean = () => false,
): Inputs | undefined {
  const naming = NAMING[type];
  if (naming?.input === undefined || !naming.auto || inputs[naming.input] !== undefined) return undefined;
  for (let turn = 0; ; turn++) {
    const name = madeUpName(type, logicalName, stableGuid(type, logicalName, ...(turn === 0 ? [] : [String(turn)])));
    if (!isTaken(name)) return { [naming.input]: name };
  }
}

function madeUpName(type: string, logicalName: string, guid: string): string {
  if (type.startsWith("authorization:")) return guid;
  const name = `${logicalName}${guid.slice(0, 8)}`;
  // Not cut: a name that is too long is a mistake in the program.
  return type === "storage:StorageAccount" ? name.toLowerCase().replaceAll(/[^a-z0-9]/g, "") : name;
}

/**
 * The id that Azure gives to a resource with these inputs. Throws RangeError for an unknown type, and for a part of the
 * id that is not known.
 */
export function resourceId(type: string, inputs: Inputs, subscriptionId = SUBSCRIPTION_ID): string {
  const naming = NAMING[type];
  if (naming === undefined)
    throw new RangeError(`infra/rehearsal/pulumi/azure-names.ts does not know the type ${type}.`);
  const path = naming.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => textOf(inputs[name]));
  if (path.startsWith("/")) return path;
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${textOf(inputs["resourceGroupName"])}`;
  return path === "" ? group : `${group}/providers/${path}`;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new RangeError(`A part of a resource's id is not a text: ${JSON.stringify(value)}.`);
}
