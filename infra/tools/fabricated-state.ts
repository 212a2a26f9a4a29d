/** What Azure might answer for a resource: enough for the program to go on, and the same every time. */

/** Properties of resources and answers of functions, as Pulumi passes them. */
export type Properties = Readonly<Record<string, unknown>>;

const ZEROS = "00000000-0000-0000-0000";
const SUBSCRIPTION_ID = `${ZEROS}-000000000001`;
const TENANT_ID = `${ZEROS}-000000000002`;
const DEPLOYER_OBJECT_ID = `${ZEROS}-000000000003`;

/** The input that names a resource of these types, where Pulumi's own `name` does not. */
const NAMED_BY_INPUT: Readonly<Record<string, string>> = {
  "azure-native:storage:BlobContainer": "containerName",
  "azure-native:storage:Table": "tableName",
  "azure-native:storage:Blob": "blobName",
  "azure-native:servicebus:Queue": "queueName",
  "azure-native:servicebus:Topic": "topicName",
  "azure-native:servicebus:Subscription": "subscriptionName",
  "azure-native:network:Subnet": "subnetName",
};

export const fabricatedId = (type: string, name: string): string =>
  `/subscriptions/${SUBSCRIPTION_ID}/${type.replaceAll(":", "/")}/${name}`;

export function fabricatedState(type: string, name: string, inputs: Properties): Properties {
  const input = NAMED_BY_INPUT[type];
  const physicalName = (input === undefined ? undefined : inputs[input]) ?? inputs["name"] ?? name;
  return {
    location: "westeurope",
    principalId: `principal-of-${name}`,
    objectId: `object-of-${name}`,
    connectionString: `InstrumentationKey=${name}`,
    defaultHostName: `${name}.azurewebsites.net`,
    url: `https://releases.blob.core.windows.net/${String(inputs["blobName"])}`,
    ...inputs,
    clientId: inputs["clientId"] ?? `client-of-${name}`,
    name: physicalName,
  };
}

export const fabricatedAnswer = (token: string): Properties =>
  token === "azure-native:authorization:getClientConfig"
    ? {
        subscriptionId: SUBSCRIPTION_ID,
        tenantId: TENANT_ID,
        objectId: DEPLOYER_OBJECT_ID,
        clientId: `${ZEROS}-000000000004`,
      }
    : {};
