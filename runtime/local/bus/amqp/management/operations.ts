/**
 * The operations that clients request at `<entity>/$management`.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
 */
import type { Right } from "../../access/rights.ts";
import { BusError } from "../../engine/errors.ts";
import { toWireError } from "../amqp-errors.ts";
import type { AmqpDeps } from "../front.ts";
import { plainMap } from "../values.ts";
import type { Response } from "../request-link.ts";
import { types, type Connection, type DecodedMessage } from "../rhea.ts";
import * as messages from "./message-operations.ts";
import type { Operation } from "./operation.ts";
import * as rules from "./rule-operations.ts";

interface Entry {
  readonly right: Right;
  readonly run: Operation;
}

/**
 * Rules need `listen` here and `manage` over HTTP.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#rights-required-for-service-bus-operations
 */
const OPERATIONS: Readonly<Record<string, Entry>> = {
  "com.microsoft:renew-lock": { right: "listen", run: messages.renewLock },
  "com.microsoft:peek-message": { right: "listen", run: messages.peekMessage },
  "com.microsoft:schedule-message": { right: "send", run: messages.scheduleMessage },
  "com.microsoft:cancel-scheduled-message": { right: "send", run: messages.cancelScheduledMessage },
  "com.microsoft:batch-delete-messages": { right: "listen", run: messages.batchDelete },
  "com.microsoft:receive-by-sequence-number": { right: "listen", run: messages.receiveBySequenceNumber },
  "com.microsoft:update-disposition": { right: "listen", run: messages.updateDisposition },
  "com.microsoft:renew-session-lock": { right: "listen", run: messages.renewSessionLock },
  "com.microsoft:set-session-state": { right: "listen", run: messages.setSessionState },
  "com.microsoft:get-session-state": { right: "listen", run: messages.getSessionState },
  "com.microsoft:get-message-sessions": { right: "listen", run: messages.getMessageSessions },
  "com.microsoft:add-rule": { right: "listen", run: rules.addRule },
  "com.microsoft:remove-rule": { right: "listen", run: rules.removeRule },
  "com.microsoft:enumerate-rules": { right: "listen", run: rules.enumerateRules },
};

export interface ManagedEntity {
  readonly entity: string;
  /** Throws BusError `unauthorized` unless the client has this right now. */
  readonly demand: (right: Right) => void;
  readonly connection: Connection;
}

const statusOf = (statusCode: number, statusDescription: string): object => ({
  statusCode: types.wrap_int(statusCode),
  statusDescription,
});

/** Runs one request and makes a response of its result or error. */
export function handleManagement(
  { host, onFault }: Pick<AmqpDeps, "host" | "onFault">,
  { entity, demand, connection }: ManagedEntity,
  request: DecodedMessage,
): Response {
  const name = String(request.application_properties?.["operation"]);
  try {
    const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (!operation) throw new BusError("not-implemented", `The operation '${name}' is not supported.`);
    demand(operation.right);
    const { body, empty } = host.execute((broker) => operation.run(broker, entity, plainMap(request.body)));
    return empty
      ? { application_properties: { ...statusOf(204, "No Content") } }
      : { application_properties: { ...statusOf(200, "OK") }, body };
  } catch (error) {
    if (!(error instanceof BusError)) onFault(error);
    return managementRefusal(error, connection);
  }
}

export function managementRefusal(error: unknown, connection: Connection): Response {
  const { status, condition, description } = toWireError(error, connection);
  return { application_properties: { ...statusOf(status, description), errorCondition: types.wrap_symbol(condition) } };
}
