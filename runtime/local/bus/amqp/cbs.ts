/** Claims-based security: a client puts a token for an entity before it attaches links to it. */
import { BusError } from "../engine/errors.ts";
import { toWireError } from "./amqp-errors.ts";
import type { AmqpDeps, ConnectionState } from "./front.ts";
import { plainString } from "./values.ts";
import type { RequestService, Response } from "./request-link.ts";
import { types, type Connection, type DecodedMessage } from "./rhea.ts";
import { audiencePath } from "../access/sas.ts";

/** The protocol's names for an access token of Microsoft Entra ID and for a shared access signature. */
const TOKEN_TYPES: Readonly<Record<string, "jwt" | "sas">> = { jwt: "jwt", "servicebus.windows.net:sastoken": "sas" };

/** A token is identified by its path, so a request to remove one needs no token. */
export function tokenService(deps: AmqpDeps, state: ConnectionState, connection: Connection): RequestService {
  const refusal = (error: unknown): Response => {
    const { status, condition, description } = toWireError(error, connection);
    return response(status, description, condition);
  };
  return {
    refusal,
    handle: async (request) => {
      const { operation, name } = textsOf(request);
      try {
        if (operation === "put-token") await putToken(deps, state, request);
        else if (operation === "delete-token") state.claims.remove(audiencePath(required(name, "name")));
        else throw new BusError("not-implemented", `$cbs knows put-token and delete-token, not '${operation ?? ""}'.`);
        return response(202, "Accepted");
      } catch (error) {
        if (!(error instanceof BusError)) deps.onFault(error);
        return refusal(error);
      }
    },
  };
}

async function putToken({ gate }: AmqpDeps, { claims }: ConnectionState, request: DecodedMessage): Promise<void> {
  const { type, name } = textsOf(request);
  try {
    const token = plainString(request.body);
    if (token === undefined || name === undefined) {
      throw new BusError("unauthorized", "Unauthorized access: the request holds no token for an audience.");
    }
    const kind = type !== undefined && Object.hasOwn(TOKEN_TYPES, type) ? TOKEN_TYPES[type] : undefined;
    if (!kind) throw new BusError("invalid-argument", `Tokens of type '${type ?? ""}' are not taken.`);
    claims.put(audiencePath(name), await gate({ kind, token, audience: name }));
  } catch (error) {
    if (error instanceof BusError) claims.refused(audiencePath(name ?? ""), error.message);
    throw error;
  }
}

const textsOf = ({ application_properties: properties = {} }: DecodedMessage) => ({
  operation: plainString(properties["operation"]),
  type: plainString(properties["type"]),
  name: plainString(properties["name"]),
});

function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new BusError("invalid-argument", `The property '${name}' is missing.`);
  return value;
}

const response = (status: number, description: string, condition?: string): Response => ({
  application_properties: {
    "status-code": types.wrap_int(status),
    "status-description": description,
    ...(condition !== undefined && { "error-condition": types.wrap_symbol(condition) }),
  },
});
