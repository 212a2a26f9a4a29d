/** The part of Azure Resource Manager that workers call: the protection of their own instance from scale-in. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Access } from "./access.ts";
import { readBody, sendJson } from "./http.ts";
import type { Tokens } from "./tokens.ts";

export interface ResourceManager {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  isProtected(instanceId: string): boolean;
}

const HOST = "management.azure.com";
const INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const policySchema = z.object({
  properties: z.object({ protectionPolicy: z.object({ protectFromScaleIn: z.boolean() }) }),
});

export function createResourceManager({
  access,
  tokens,
  hasInstance,
}: {
  readonly access: Access;
  readonly tokens: Tokens;
  readonly hasInstance: (resourceId: string) => boolean;
}): ResourceManager {
  const protectedIds = new Set<string>();
  return {
    isProtected: (instanceId) => protectedIds.has(instanceId),
    async handle(request, response) {
      const id = new URL(request.url ?? "/", `https://${HOST}`).pathname;
      const body = (await readBody(request)).toString();
      const principalId = tokens.principalOf(request.headers.authorization, `https://${HOST}/`);
      const action = request.method === "GET" ? (`${INSTANCE}/read` as const) : (`${INSTANCE}/write` as const);
      if (principalId === undefined) {
        access.deny("without a usable token", action, id);
        sendJson(response, 401, { error: { code: "InvalidAuthenticationToken", message: "The token is not valid." } });
      } else if (!access.allows(principalId, action, id)) {
        sendJson(response, 403, { error: { code: "AuthorizationFailed", message: `No ${action} over ${id}.` } });
      } else if (!hasInstance(id)) {
        sendJson(response, 404, { error: { code: "ResourceNotFound", message: `There is no ${id}.` } });
      } else {
        if (request.method === "PUT") {
          const { protectFromScaleIn } = policySchema.parse(JSON.parse(body)).properties.protectionPolicy;
          if (protectFromScaleIn) protectedIds.add(id);
          else protectedIds.delete(id);
        }
        const protectionPolicy = { protectFromScaleIn: protectedIds.has(id) };
        sendJson(response, 200, { id, location: "westeurope", properties: { protectionPolicy } });
      }
    },
  };
}
