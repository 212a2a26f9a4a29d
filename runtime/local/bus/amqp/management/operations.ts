/**
 * The operations a client asks for at `<entity>/$management`.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
 */
import { BusError } from "../../engine/errors.ts";
import { toWireError } from "../amqp-errors.ts";
import type { AmqpDeps } from "../front.ts";
import { plainMap } from "../plain-map.ts";
import type { Response } from "../request-link.ts";
import type { DecodedMessage } from "../rhea.ts";
import * as messages from "./message-operations.ts";
import type { Operation } from "./operation.ts";
import * as rules from "./rule-operations.ts";
import * as sessions from "./session-operations.ts";

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "com.microsoft:renew-lock": messages.renewLock,
  "com.microsoft:peek-message": messages.peekMessage,
  "com.microsoft:schedule-message": messages.scheduleMessage,
  "com.microsoft:cancel-scheduled-message": messages.cancelScheduledMessage,
  "com.microsoft:receive-by-sequence-number": messages.receiveBySequenceNumber,
  "com.microsoft:update-disposition": messages.updateDisposition,
  "com.microsoft:renew-session-lock": sessions.renewSessionLock,
  "com.microsoft:set-session-state": sessions.setSessionState,
  "com.microsoft:get-session-state": sessions.getSessionState,
  "com.microsoft:get-message-sessions": sessions.getMessageSessions,
  "com.microsoft:add-rule": rules.addRule,
  "com.microsoft:remove-rule": rules.removeRule,
  "com.microsoft:enumerate-rules": rules.enumerateRules,
};

/** Runs one request and turns the outcome, or the refusal, into its response. */
export function handleManagement({ host, onFault }: AmqpDeps, path: string, request: DecodedMessage): Response {
  const name = String(request.application_properties?.["operation"]);
  try {
    const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (!operation) throw new BusError("not-implemented", `The operation '${name}' is not supported.`);
    const { body, empty } = host.execute((broker) => operation(broker, path, plainMap(request.body)));
    return empty
      ? { application_properties: { statusCode: 204, statusDescription: "No Content" } }
      : { application_properties: { statusCode: 200, statusDescription: "OK" }, body };
  } catch (error) {
    if (!(error instanceof BusError)) onFault(error);
    const { status, condition, description } = toWireError(error);
    return {
      application_properties: { statusCode: status, statusDescription: description, errorCondition: condition },
    };
  }
}
