/** The Pulumi program. Its exports are the stack's outputs. */
import { declareStack } from "./declare-stack.ts";

export const {
  apiUrl,
  tenantId,
  clientId,
  publicClientId,
  resourceGroup,
  storageAccount,
  serviceBusNamespace,
  workerPools,
  jobIdentities,
  apiVersion,
  workerVersion,
} = await declareStack();
