/** Claims-based security: a client puts a token for what it wants to do before it attaches its links. */
import { BusError } from "../engine/errors.ts";
import { toWireError } from "./amqp-errors.ts";
import type { AmqpDeps, ConnectionState } from "./front.ts";
import { plainString } from "./plain-map.ts";
import type { Response } from "./request-link.ts";
import type { DecodedMessage } from "./rhea.ts";
import { audiencePath } from "./sas.ts";

/** What the SDK calls an access token of Microsoft Entra ID. A shared access signature is `servicebus.windows.net:sastoken`. */
const JWT = "jwt";

export async function putToken(
  { gate, onFault }: AmqpDeps,
  { claims }: ConnectionState,
  request: DecodedMessage,
): Promise<Response> {
  const audience = plainString(request.application_properties?.["name"]);
  try {
    const token = plainString(request.body);
    if (token === undefined || audience === undefined) {
      throw new BusError("unauthorized", "Unauthorized access: the request holds no token for an audience.");
    }
    const kind = plainString(request.application_properties?.["type"]) === JWT ? "jwt" : "sas";
    claims.put(audiencePath(audience), await gate({ kind, token, audience }));
    return { application_properties: { "status-code": 202, "status-description": "Accepted" } };
  } catch (error) {
    if (error instanceof BusError) claims.refused(audiencePath(audience ?? ""), error.message);
    else onFault(error);
    const { status, condition, description } = toWireError(error);
    return {
      application_properties: {
        "status-code": status,
        "status-description": description,
        "error-condition": condition,
      },
    };
  }
}
