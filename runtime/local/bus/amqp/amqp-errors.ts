/** The broker's errors in AMQP. The condition decides which `ServiceBusError.code` the SDK raises. */
import { BusError, type BusErrorCode } from "../engine/errors.ts";
import type { AmqpError, Connection } from "./rhea.ts";

interface WireCode {
  readonly condition: string;
  /** The status of a management response. */
  readonly status: number;
}

function wireCode(code: BusErrorCode): WireCode {
  switch (code) {
    case "entity-not-found":
      return { condition: "amqp:not-found", status: 404 };
    case "entity-already-exists":
      return { condition: "com.microsoft:entity-already-exists", status: 409 };
    case "entity-disabled":
      return { condition: "com.microsoft:entity-disabled", status: 400 };
    case "message-lock-lost":
      return { condition: "com.microsoft:message-lock-lost", status: 410 };
    case "message-not-found":
      return { condition: "com.microsoft:message-not-found", status: 404 };
    case "message-too-large":
      return { condition: "amqp:link:message-size-exceeded", status: 403 };
    case "session-lock-lost":
      return { condition: "com.microsoft:session-lock-lost", status: 410 };
    case "session-cannot-be-locked":
      return { condition: "com.microsoft:session-cannot-be-locked", status: 410 };
    case "quota-exceeded":
      return { condition: "amqp:resource-limit-exceeded", status: 403 };
    case "not-allowed":
      return { condition: "amqp:not-allowed", status: 400 };
    case "invalid-argument":
      return { condition: "com.microsoft:argument-error", status: 400 };
    case "not-implemented":
      return { condition: "amqp:not-implemented", status: 501 };
    case "unauthorized":
      return { condition: "amqp:unauthorized-access", status: 401 };
  }
}

export interface WireError extends AmqpError {
  readonly status: number;
}

/** The part of a connection that error messages need. */
type Peer = Pick<Connection, "remote">;

/**
 * Anything but a `BusError` is a bug of ours. Its text is not sent, because it could contain anything. As in the service,
 * an entity is named by its address in the namespace that the client opened.
 */
export function toWireError(error: unknown, { remote }: Peer): WireError {
  if (!(error instanceof BusError)) {
    return { condition: "amqp:internal-error", status: 500, description: "The local Service Bus failed internally." };
  }
  const { code, message, entity } = error;
  const hostname = remote.open?.hostname;
  const isNamed = entity !== undefined && typeof hostname === "string";
  const description = isNamed ? message.replace(`'${entity}'`, () => `'sb://${hostname}/${entity}'`) : message;
  return { ...wireCode(code), description };
}

export const toAmqpError = (error: unknown, { connection }: { readonly connection: Peer }): AmqpError => {
  const { condition, description } = toWireError(error, connection);
  return { condition, description };
};
