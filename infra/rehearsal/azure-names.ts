/**
 * Ids and names of the Azure resources this project deploys: which input names a resource, whether Pulumi makes that name
 * up, and the path of its id. A resource type that is missing here cannot be rehearsed.
 */
import { createHash } from "node:crypto";

export const SUBSCRIPTION_ID = "00000000-0000-4000-8000-000000000001";

interface Naming {
  /** The input that holds the name; undefined where the path says it all. */
  readonly input?: string;
  /** Pulumi appends random digits to the logical name unless the program gives a name. */
  readonly auto?: boolean;
  /** Of the id, with inputs in braces. `{scope}` begins at the scope, everything else at the resource group. */
  readonly path: string;
}

const STORAGE = "Microsoft.Storage/storageAccounts/{accountName}";
const BUS = "Microsoft.ServiceBus/namespaces/{namespaceName}";
const SUBSCRIPTION = `${BUS}/topics/{topicName}/subscriptions/{subscriptionName}`;
const SITE = "Microsoft.Web/sites/{name}";

const named = (input: string, path: string): Naming => ({ input, path });
const auto = (input: string, path: string): Naming => ({ input, auto: true, path });

/** By type, without the provider's name. */
const NAMING: Readonly<Record<string, Naming>> = {
  "resources:ResourceGroup": auto("resourceGroupName", ""),
  "applicationinsights:Component": auto("resourceName", "Microsoft.Insights/components/{resourceName}"),
  "applicationinsights:Workbook": named("resourceName", "Microsoft.Insights/workbooks/{resourceName}"),
  "compute:VirtualMachineScaleSet": auto(
    "vmScaleSetName",
    "Microsoft.Compute/virtualMachineScaleSets/{vmScaleSetName}",
  ),
  "managedidentity:UserAssignedIdentity": auto(
    "resourceName",
    "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
  ),
  "monitor:ActionGroup": auto("actionGroupName", "Microsoft.Insights/actionGroups/{actionGroupName}"),
  "monitor:AutoscaleSetting": auto(
    "autoscaleSettingName",
    "Microsoft.Insights/autoscaleSettings/{autoscaleSettingName}",
  ),
  "monitor:MetricAlert": auto("ruleName", "Microsoft.Insights/metricAlerts/{ruleName}"),
  "monitor:DiagnosticSetting": auto("name", "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}"),
  "network:NatGateway": auto("natGatewayName", "Microsoft.Network/natGateways/{natGatewayName}"),
  "network:NetworkSecurityGroup": auto(
    "networkSecurityGroupName",
    "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
  ),
  "network:PublicIPAddress": auto("publicIpAddressName", "Microsoft.Network/publicIPAddresses/{publicIpAddressName}"),
  "network:VirtualNetwork": auto("virtualNetworkName", "Microsoft.Network/virtualNetworks/{virtualNetworkName}"),
  "network:Subnet": auto("subnetName", "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}"),
  "operationalinsights:Workspace": auto("workspaceName", "Microsoft.OperationalInsights/workspaces/{workspaceName}"),
  "servicebus:Namespace": auto("namespaceName", BUS),
  "servicebus:NamespaceNetworkRuleSet": { path: `${BUS}/networkRuleSets/default` },
  "servicebus:Queue": named("queueName", `${BUS}/queues/{queueName}`),
  "servicebus:Topic": named("topicName", `${BUS}/topics/{topicName}`),
  "servicebus:Subscription": named("subscriptionName", SUBSCRIPTION),
  "servicebus:DefaultRule": { path: `${SUBSCRIPTION}/rules/$Default` },
  "servicebus:Rule": named("ruleName", `${SUBSCRIPTION}/rules/{ruleName}`),
  "storage:StorageAccount": auto("accountName", STORAGE),
  "storage:BlobServiceProperties": { path: `${STORAGE}/blobServices/default` },
  "storage:ManagementPolicy": { path: `${STORAGE}/managementPolicies/default` },
  "storage:BlobContainer": named("containerName", `${STORAGE}/blobServices/default/containers/{containerName}`),
  "storage:Table": named("tableName", `${STORAGE}/tableServices/default/tables/{tableName}`),
  "storage:Blob": named("blobName", `${STORAGE}/blobServices/default/containers/{containerName}/blobs/{blobName}`),
  "web:AppServicePlan": auto("name", "Microsoft.Web/serverFarms/{name}"),
  "web:WebApp": auto("name", SITE),
  "web:WebAppFtpAllowed": { path: `${SITE}/basicPublishingCredentialsPolicies/ftp` },
  "web:WebAppScmAllowed": { path: `${SITE}/basicPublishingCredentialsPolicies/scm` },
  "authorization:RoleAssignment": auto(
    "roleAssignmentName",
    "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
  ),
  "authorization:RoleDefinition": auto(
    "roleDefinitionId",
    "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
  ),
};

type Inputs = Readonly<Record<string, unknown>>;

/** The input that names a resource of this type, if there is one. */
export const namingInput = (type: string): string | undefined => NAMING[type]?.input;

/** The same text for the same words, in the form of a GUID. */
export const stableGuid = (...words: readonly string[]): string =>
  createHash("sha256")
    .update(words.join("\n"))
    .digest("hex")
    .replace(/^(.{8}).(.{3}).(.{3}).(.{3})(.{12}).*$/, "$1-0$2-4$3-8$4-$5");

/** What Pulumi calls a resource that the program left unnamed; undefined when it has a name, or needs none. */
export function autoName(type: string, logicalName: string, inputs: Inputs): Inputs | undefined {
  const naming = NAMING[type];
  if (naming?.input === undefined || !naming.auto || inputs[naming.input] !== undefined) return undefined;
  const guid = stableGuid(type, logicalName);
  if (type.startsWith("authorization:")) return { [naming.input]: guid };
  const name = `${logicalName}${guid.slice(0, 8)}`;
  const isAccount = type === "storage:StorageAccount";
  return {
    [naming.input]: isAccount ? name.toLowerCase().replaceAll(/[^a-z0-9]/g, "") : name,
  };
}

/** The id Azure gives to a resource of these inputs. Throws RangeError for a type that is unknown here. */
export function resourceId(type: string, inputs: Inputs): string {
  const naming = NAMING[type];
  if (naming === undefined) throw new RangeError(`infra/rehearsal/azure-names.ts does not know the type ${type}.`);
  const path = naming.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => textOf(inputs[name]));
  if (path.startsWith("/")) return path;
  const group = `/subscriptions/${SUBSCRIPTION_ID}/resourceGroups/${textOf(inputs["resourceGroupName"])}`;
  return path === "" ? group : `${group}/providers/${path}`;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new RangeError(`A part of a resource's id is not a text: ${JSON.stringify(value)}.`);
}
