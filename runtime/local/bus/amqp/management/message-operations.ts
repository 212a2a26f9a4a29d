/** Management operations on messages (renew, peek, schedule, cancel, receive deferred, settle) and on sessions. */
import type { IncomingMessage } from "../../engine/message.ts";
import type { Settlement } from "../../engine/settlement.ts";
import { encodeDelivery, encodeManagedDelivery } from "../delivery-encoder.ts";
import { WIRE_LIMITS } from "../front.ts";
import { parseMessage } from "../message-codec.ts";
import { types } from "../rhea.ts";
import {
  int64,
  plainBytes,
  plainInteger,
  plainList,
  plainMap,
  plainString,
  tokenToUuid,
  uuidToToken,
} from "../values.ts";
import { type Arguments, type Operation, integerArgument, invalidArgument, stringArgument } from "./operation.ts";

/** AMQP type codes of array items. */
const LONG_ITEMS = 0x81;
const TIMESTAMP_ITEMS = 0x83;

/** `receiver-settle-mode` first: the message is removed when it is received. */
const RECEIVE_AND_DELETE = 0;

function lockTokens(args: Arguments): string[] {
  return plainList(args["lock-tokens"]).map((token) => {
    const bytes = plainBytes(token);
    if (bytes?.length !== 16) throw invalidArgument("lock-tokens");
    return uuidToToken(bytes);
  });
}

function sequenceNumbers(args: Arguments): number[] {
  return plainList(args["sequence-numbers"]).map((item) => {
    const value = plainInteger(item);
    if (value === undefined) throw invalidArgument("sequence-numbers");
    return value;
  });
}

export const renewLock: Operation = (broker, path, args) => {
  const expirations = lockTokens(args).map((token) => broker.renewLock(path, token));
  return { body: { expirations: types.wrap_array(expirations, TIMESTAMP_ITEMS) } };
};

export const peekMessage: Operation = (broker, path, args) => {
  const sessionId = plainString(args["session-id"]);
  const found = broker.peek(path, {
    from: integerArgument(args, "from-sequence-number"),
    count: Math.min(integerArgument(args, "message-count"), WIRE_LIMITS.peekCount),
    ...(sessionId !== undefined && { sessionId }),
  });
  if (found.length === 0) return { empty: true };
  return { body: { messages: found.map((each) => types.wrap_map({ message: encodeDelivery(each) })) } };
};

export const scheduleMessage: Operation = (broker, path, args) => {
  const messages = plainList(args["messages"]).map((entry): IncomingMessage => {
    const encoded = plainBytes(plainMap(entry)["message"]);
    if (!encoded) throw invalidArgument("messages");
    return parseMessage(encoded);
  });
  const numbers = broker.send(path, messages);
  return { body: { "sequence-numbers": types.wrap_array(numbers.map(int64), LONG_ITEMS) } };
};

export const cancelScheduledMessage: Operation = (broker, path, args) => {
  broker.cancelScheduled(path, sequenceNumbers(args));
  return {};
};

export const receiveBySequenceNumber: Operation = (broker, path, args) => {
  const receiveAndDelete = plainInteger(args["receiver-settle-mode"]) === RECEIVE_AND_DELETE;
  const received = broker.receiveDeferred(path, sequenceNumbers(args), receiveAndDelete);
  return {
    body: {
      messages: received.map((delivery) =>
        types.wrap_map({
          message: encodeManagedDelivery(delivery),
          ...(delivery.lock && { "lock-token": types.wrap_uuid(tokenToUuid(delivery.lock.token)) }),
        }),
      ),
    },
  };
};

/** https://learn.microsoft.com/azure/service-bus-messaging/batch-delete */
export const batchDelete: Operation = (broker, path, args) => {
  const count = integerArgument(args, "message-count");
  if (count < 1 || count > WIRE_LIMITS.deleteCount) throw invalidArgument("message-count");
  const sessionId = plainString(args["session-id"]);
  const deleted = broker.deleteMessages(path, {
    count,
    enqueuedBefore: integerArgument(args, "enqueued-time-utc", broker.now),
    ...(sessionId !== undefined && { sessionId }),
  });
  return deleted === 0 ? { empty: true } : { body: { "message-count": types.wrap_int(deleted) } };
};

export const updateDisposition: Operation = (broker, path, args) => {
  const settlement = settlementOf(args);
  for (const token of lockTokens(args)) broker.settle(path, token, settlement);
  return {};
};

function settlementOf(args: Arguments): Settlement {
  const changes = plainMap(args["properties-to-modify"]);
  const status = stringArgument(args, "disposition-status");
  switch (status) {
    case "completed":
      return { kind: "complete" };
    case "abandoned":
      return { kind: "abandon", changes };
    // The protocol spells it like this.
    case "defered":
      return { kind: "defer", changes };
    case "suspended": {
      const reason = plainString(args["deadletter-reason"]);
      const description = plainString(args["deadletter-description"]);
      return {
        kind: "dead-letter",
        changes,
        ...(reason !== undefined && { reason }),
        ...(description !== undefined && { description }),
      };
    }
    default:
      throw invalidArgument("disposition-status");
  }
}

export const renewSessionLock: Operation = (broker, path, args) => ({
  body: { expiration: types.wrap_timestamp(broker.renewSessionLock(path, stringArgument(args, "session-id"))) },
});

export const setSessionState: Operation = (broker, path, args) => {
  const state = plainBytes(args["session-state"]);
  // A copy, because the argument is a view on a socket buffer.
  broker.setSessionState(path, stringArgument(args, "session-id"), state && Buffer.from(state));
  return {};
};

export const getSessionState: Operation = (broker, path, args) => ({
  body: { "session-state": broker.sessionState(path, stringArgument(args, "session-id")) ?? null },
});

/** .NET's largest instant, with which clients ask for sessions that have active messages. */
const ACTIVE_ONLY = 253_402_300_799_999;

/** Sessions that were used since `last-updated-time`, a page of them. */
export const getMessageSessions: Operation = (broker, path, args) => {
  const since = integerArgument(args, "last-updated-time", 0);
  const skip = integerArgument(args, "skip", 0);
  const top = integerArgument(args, "top", 100);
  const ids = broker.sessionIds(path, since >= ACTIVE_ONLY ? "active" : since).slice(skip, skip + top);
  if (ids.length === 0) return { empty: true };
  return { body: { skip: types.wrap_int(skip + ids.length), "sessions-ids": types.wrap_list(ids) } };
};
