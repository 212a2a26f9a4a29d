/** Reads the description of an entity or rule from a request. */
import { correlationProperties, sqlAction, sqlFilter } from "../engine/rules.ts";
import {
  DEFAULT_RULE_NAME,
  LIMITS,
  type EntityStatus,
  type MessageFilter,
  type QueueDescription,
  type RuleDescription,
  type SubscriptionDescription,
  type TopicDescription,
} from "../engine/descriptions.ts";
import type { EntityChange } from "../engine/entity-commands.ts";
import { BusError } from "../engine/errors.ts";
import { KEPT, parseDuration, readKept } from "./description-fields.ts";
import { child, childText, type XmlElement } from "./xml.ts";

/** The entity that the path of the request names. */
export type Place =
  | { readonly kind: "entity"; readonly name: string }
  | { readonly kind: "subscription"; readonly topic: string; readonly name: string };

/** @throws BusError `invalid-argument`, `not-implemented` */
export function readEntity(place: Place, content: XmlElement | undefined): EntityChange {
  const queue = child(content, "QueueDescription");
  const topic = child(content, "TopicDescription");
  const subscription = child(content, "SubscriptionDescription");
  if (place.kind === "subscription") {
    if (!subscription) throw new BusError("invalid-argument", "The request holds no SubscriptionDescription.");
    const first = child(subscription, "DefaultRuleDescription");
    return {
      kind: "subscription",
      topic: place.topic,
      description: { ...readCommon(place.name, subscription), ...readKept(subscription, KEPT.subscription) },
      ...(first && { rules: [readRule(childText(first, "Name") ?? DEFAULT_RULE_NAME, first)] }),
    };
  }
  if (queue) return { kind: "queue", description: readQueue(place.name, queue) };
  if (topic) return { kind: "topic", description: readTopic(place.name, topic) };
  throw new BusError("invalid-argument", "The request holds no QueueDescription or TopicDescription.");
}

/** @throws BusError `invalid-argument` */
export function readRule(name: string, rule: XmlElement): Omit<RuleDescription, "createdAt"> {
  const action = child(rule, "Action");
  return {
    name,
    filter: readFilter(child(rule, "Filter")),
    ...sqlAction(childText(action, "SqlExpression"), readPairs(action, "Parameters")),
  };
}

function readFilter(filter: XmlElement | undefined): MessageFilter {
  const expression = childText(filter, "SqlExpression");
  if (expression !== undefined) return sqlFilter(expression, readPairs(filter, "Parameters"));
  const names = {
    ...{ correlationId: "CorrelationId", messageId: "MessageId", to: "To", replyTo: "ReplyTo", subject: "Label" },
    ...{ sessionId: "SessionId", replyToSessionId: "ReplyToSessionId", contentType: "ContentType" },
  };
  const system: Record<string, string> = {};
  for (const [ours, theirs] of Object.entries(names)) {
    const value = childText(filter, theirs);
    if (value !== undefined) system[ours] = value;
  }
  return { kind: "correlation", system, properties: correlationProperties(readPairs(filter, "Properties")) };
}

const readPairs = (element: XmlElement | undefined, name: string): Record<string, unknown> =>
  Object.fromEntries(
    (child(element, name)?.children ?? []).map((pair) => [
      childText(pair, "Key") ?? "",
      readValue(child(pair, "Value")),
    ]),
  );

/** The type comes as a qualified name, for example `l28:double`. */
function readValue(value: XmlElement | undefined): unknown {
  const text = value?.text ?? "";
  switch (value?.attributes.get("type")?.replace(/^.*:/, "")) {
    case "int":
    case "long":
    case "double":
      return Number(text);
    case "boolean":
      return text === "true";
    case "string":
      return text;
    case undefined:
    default:
      return undefined;
  }
}

const readQueue = (name: string, element: XmlElement): QueueDescription =>
  present({
    ...readCommon(name, element),
    ...readSized(element),
    ...readKept(element, KEPT.queue),
  });

const readTopic = (name: string, element: XmlElement): TopicDescription =>
  present({
    name,
    ...readSized(element),
    ...readKept(element, KEPT.topic),
    timeToLiveMs: duration(element, "DefaultMessageTimeToLive"),
    autoDeleteOnIdleMs: duration(element, "AutoDeleteOnIdle"),
    status: readStatus(element),
    userMetadata: childText(element, "UserMetadata"),
  });

const readCommon = (name: string, element: XmlElement): SubscriptionDescription =>
  present({
    name,
    lockMs: duration(element, "LockDuration"),
    maxDeliveryCount: integer(element, "MaxDeliveryCount"),
    timeToLiveMs: duration(element, "DefaultMessageTimeToLive"),
    deadLetterOnExpiry: flag(element, "DeadLetteringOnMessageExpiration"),
    requiresSession: flag(element, "RequiresSession"),
    forwardTo: target(element, "ForwardTo"),
    forwardDeadLetteredTo: target(element, "ForwardDeadLetteredMessagesTo"),
    autoDeleteOnIdleMs: duration(element, "AutoDeleteOnIdle"),
    status: readStatus(element),
    userMetadata: childText(element, "UserMetadata"),
  });

function readSized(element: XmlElement) {
  const largest = integer(element, "MaxMessageSizeInKilobytes");
  if (largest !== undefined && largest !== STANDARD_MESSAGE_KILOBYTES) {
    throw new BusError("invalid-argument", "MaxMessageSizeInKilobytes can be set in a Premium namespace only.");
  }
  const windowMs = duration(element, "DuplicateDetectionHistoryTimeWindow");
  const detects = flag(element, "RequiresDuplicateDetection");
  return {
    maxSizeMegabytes: integer(element, "MaxSizeInMegabytes"),
    duplicateWindowMs: detects ? (windowMs ?? LIMITS.defaultDuplicateWindowMs) : undefined,
    idleDuplicateWindowMs: detects ? undefined : windowMs,
  };
}

const STANDARD_MESSAGE_KILOBYTES = 256;

/** Leaves out absent fields. The types of the broker do not allow undefined settings. */
function present<T extends object>(settings: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}

function duration(element: XmlElement, name: string): number | undefined {
  const text = childText(element, name);
  return text === undefined ? undefined : parseDuration(text);
}

function integer(element: XmlElement, name: string): number | undefined {
  const text = childText(element, name);
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new BusError("invalid-argument", `${name} must be a whole number.`);
  return Number(text);
}

const flag = (element: XmlElement, name: string): boolean | undefined => {
  const text = childText(element, name);
  return text === undefined ? undefined : text.toLowerCase() === "true";
};

/** The SDK writes targets as absolute addresses. */
const target = (element: XmlElement, name: string): string | undefined =>
  childText(element, name)
    ?.replace(/^[a-z]+:\/\/[^/]+\//i, "")
    .replace(/\/+$/, "");

const STATUSES: readonly EntityStatus[] = ["Active", "Disabled", "SendDisabled", "ReceiveDisabled"];

function readStatus(element: XmlElement): EntityStatus | undefined {
  const text = childText(element, "Status");
  if (text === undefined) return undefined;
  const status = STATUSES.find((each) => each === text);
  if (!status) throw new BusError("invalid-argument", `Status must be one of ${STATUSES.join(", ")}.`);
  return status;
}
