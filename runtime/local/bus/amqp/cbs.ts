/** Claims-based security: a client puts a token for what it wants to do before it attaches its links. */
import { toWireError } from "./amqp-errors.ts";
import { BusError } from "../engine/errors.ts";
import type { AmqpDeps, ConnectionState } from "./front.ts";
import { plainString } from "./plain-map.ts";
import type { Response } from "./request-link.ts";
import type { DecodedMessage } from "./rhea.ts";
import { covers, audiencePath, verifySasToken } from "./sas.ts";

export function putToken({ sasKey, now }: AmqpDeps, state: ConnectionState, request: DecodedMessage): Response {
  try {
    const token = plainString(request.body);
    const audience = plainString(request.application_properties?.["name"]);
    if (token === undefined || audience === undefined) {
      throw new BusError("unauthorized", "Unauthorized access: the request holds no token for an audience.");
    }
    const granted = verifySasToken(token, sasKey, now());
    if (!covers(granted, audiencePath(audience))) {
      throw new BusError("unauthorized", "Unauthorized access: the token is for another entity.");
    }
    state.grant(audiencePath(audience));
    return { application_properties: { "status-code": 202, "status-description": "Accepted" } };
  } catch (error) {
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
