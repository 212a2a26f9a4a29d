/** Writes entities and rules as the SDK reads them. The SDK expects every field of a description. */
import { LIMITS, type MessageFilter, type RuleAction, type RuleDescription } from "../engine/descriptions.ts";
import type { Entity, QueueEntity, SubscriptionEntity, TopicEntity } from "../engine/entities.ts";
import type { MessageStore } from "../engine/store/message-store.ts";
import { KEPT, formatDuration, keptFlag, writeAuthorizationRules } from "./description-fields.ts";
import { elements, escapeXml } from "./xml.ts";

const NAMESPACES =
  'xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect" ' +
  'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"';

export function writeEntity(entity: Entity, authority: string): string {
  switch (entity.kind) {
    case "queue":
      return wrap("QueueDescription", writeQueue(entity, authority));
    case "topic":
      return wrap("TopicDescription", writeTopic(entity));
    case "subscription":
      return wrap("SubscriptionDescription", writeSubscription(entity, authority));
  }
}

export const writeRule = ({ name, filter, action, createdAt }: RuleDescription): string =>
  wrap(
    "RuleDescription",
    writeFilter(filter) + writeAction(action) + elements({ CreatedAt: isoTime(createdAt), Name: name }),
  );

const writeAction = (action: RuleAction | undefined): string =>
  action ? `<Action i:type="SqlRuleAction">${writeSql(action)}</Action>` : '<Action i:type="EmptyRuleAction"/>';

const writeSql = ({ expression, parameters }: RuleAction): string =>
  elements({ SqlExpression: expression, CompatibilityLevel: 20 }) + writePairs("Parameters", parameters ?? {});

export const writeNamespace = (): string =>
  wrap(
    "NamespaceInfo",
    elements({
      ...{ Alias: "", CreatedTime: isoTime(0), MessagingSKU: "Standard", MessagingUnits: 0 },
      ...{ ModifiedTime: isoTime(0), Name: "local-service-bus", NamespaceType: "Messaging" },
    }),
  );

const wrap = (name: string, content: string): string => `<${name} ${NAMESPACES}>${content}</${name}>`;

const isoTime = (instant: number): string => new Date(instant).toISOString();

function writeQueue(entity: QueueEntity, authority: string): string {
  const { description, store } = entity;
  const { options } = store;
  return [
    elements({
      LockDuration: formatDuration(options.lockMs),
      MaxSizeInMegabytes: description.maxSizeMegabytes ?? LIMITS.defaultSizeMegabytes,
      RequiresDuplicateDetection: options.duplicateWindowMs !== undefined,
      RequiresSession: options.requiresSession,
      DefaultMessageTimeToLive: formatDuration(options.timeToLiveMs),
      DeadLetteringOnMessageExpiration: options.deadLetterOnExpiry,
      DuplicateDetectionHistoryTimeWindow: duplicateWindow(entity),
      MaxDeliveryCount: options.maxDeliveryCount,
      EnableBatchedOperations: keptFlag(description, KEPT.queue, "EnableBatchedOperations"),
    }),
    writeAuthorizationRules(description),
    elements({
      SizeInBytes: sizeOf(store),
      MessageCount: totalOf(store),
      Status: options.status,
      ForwardTo: address(options.forwardTo, authority),
      UserMetadata: description.userMetadata,
    }),
    writeTimes(entity),
    writeCounts(store),
    elements({
      AutoDeleteOnIdle: formatDuration(options.autoDeleteOnIdleMs),
      EnablePartitioning: keptFlag(description, KEPT.queue, "EnablePartitioning"),
      EntityAvailabilityStatus: "Available",
      ForwardDeadLetteredMessagesTo: address(options.forwardDeadLetteredTo, authority),
      EnableExpress: keptFlag(description, KEPT.queue, "EnableExpress"),
    }),
  ].join("");
}

const duplicateWindow = ({ description, store }: QueueEntity | TopicEntity): string =>
  formatDuration(
    store.options.duplicateWindowMs ?? description.idleDuplicateWindowMs ?? LIMITS.defaultDuplicateWindowMs,
  );

function writeTopic(entity: TopicEntity): string {
  const { description, store, subscriptions } = entity;
  const { options } = store;
  return [
    elements({
      DefaultMessageTimeToLive: formatDuration(options.timeToLiveMs),
      MaxSizeInMegabytes: description.maxSizeMegabytes ?? LIMITS.defaultSizeMegabytes,
      RequiresDuplicateDetection: options.duplicateWindowMs !== undefined,
      DuplicateDetectionHistoryTimeWindow: duplicateWindow(entity),
      EnableBatchedOperations: keptFlag(description, KEPT.topic, "EnableBatchedOperations"),
    }),
    writeAuthorizationRules(description),
    elements({
      SizeInBytes: [...subscriptions.values()].reduce((sum, each) => sum + sizeOf(each.store), store.bytes),
      Status: options.status,
      UserMetadata: description.userMetadata,
    }),
    writeTimes(entity),
    elements({ SupportOrdering: keptFlag(description, KEPT.topic, "SupportOrdering") }),
    writeCounts(store),
    elements({
      SubscriptionCount: subscriptions.size,
      AutoDeleteOnIdle: formatDuration(options.autoDeleteOnIdleMs),
      EnablePartitioning: keptFlag(description, KEPT.topic, "EnablePartitioning"),
      EntityAvailabilityStatus: "Available",
      EnableExpress: keptFlag(description, KEPT.topic, "EnableExpress"),
    }),
  ].join("");
}

function writeSubscription(entity: SubscriptionEntity, authority: string): string {
  const { description, store } = entity;
  const { options } = store;
  return [
    elements({
      LockDuration: formatDuration(options.lockMs),
      RequiresSession: options.requiresSession,
      DefaultMessageTimeToLive: formatDuration(options.timeToLiveMs),
      DeadLetteringOnMessageExpiration: options.deadLetterOnExpiry,
      DeadLetteringOnFilterEvaluationExceptions: keptFlag(
        description,
        KEPT.subscription,
        "DeadLetteringOnFilterEvaluationExceptions",
      ),
      MessageCount: totalOf(store),
      MaxDeliveryCount: options.maxDeliveryCount,
      EnableBatchedOperations: keptFlag(description, KEPT.subscription, "EnableBatchedOperations"),
      Status: options.status,
      ForwardTo: address(options.forwardTo, authority),
      UserMetadata: description.userMetadata,
    }),
    writeTimes(entity),
    writeCounts(store),
    elements({
      ForwardDeadLetteredMessagesTo: address(options.forwardDeadLetteredTo, authority),
      AutoDeleteOnIdle: formatDuration(options.autoDeleteOnIdleMs),
      EntityAvailabilityStatus: "Available",
    }),
  ].join("");
}

const address = (target: string | undefined, authority: string): string | undefined =>
  target === undefined ? undefined : `sb://${authority}/${target}`;

const writeTimes = ({ createdAt, updatedAt, store }: Entity): string =>
  elements({
    CreatedAt: isoTime(createdAt),
    UpdatedAt: isoTime(updatedAt),
    AccessedAt: isoTime(Math.max(store.lastUsedAt, createdAt)),
  });

const storesOf = (store: MessageStore): MessageStore[] =>
  [store, store.deadLetters, store.transferDeadLetters].filter((each) => each !== undefined);

const totalOf = (store: MessageStore): number => storesOf(store).reduce((sum, each) => sum + each.messages.size, 0);

const sizeOf = (store: MessageStore): number => storesOf(store).reduce((sum, each) => sum + each.bytes, 0);

/** The SDK finds the prefix by the only namespace declaration of the element. */
function writeCounts(store: MessageStore): string {
  const counts = {
    ActiveMessageCount: store.activeCount,
    DeadLetterMessageCount: store.deadLetters?.messages.size ?? 0,
    ScheduledMessageCount: store.scheduledCount,
    TransferMessageCount: 0,
    TransferDeadLetterMessageCount: store.transferDeadLetters?.messages.size ?? 0,
  };
  const items = Object.entries(counts).map(([name, value]) => `<d2p1:${name}>${value}</d2p1:${name}>`);
  const namespace = "http://schemas.microsoft.com/netservices/2011/06/servicebus";
  return `<CountDetails xmlns:d2p1="${namespace}">${items.join("")}</CountDetails>`;
}

function writeFilter(filter: MessageFilter): string {
  switch (filter.kind) {
    case "true":
      return `<Filter i:type="TrueFilter">${elements({ SqlExpression: "1=1", CompatibilityLevel: 20 })}</Filter>`;
    case "false":
      return `<Filter i:type="FalseFilter">${elements({ SqlExpression: "1=0", CompatibilityLevel: 20 })}</Filter>`;
    case "sql":
      return `<Filter i:type="SqlFilter">${writeSql(filter)}</Filter>`;
    case "correlation":
      return `<Filter i:type="CorrelationFilter">${writeCorrelation(filter)}</Filter>`;
  }
}

function writeCorrelation({ system = {}, properties = {} }: Extract<MessageFilter, { kind: "correlation" }>): string {
  const known = elements({
    CorrelationId: system["correlationId"],
    MessageId: system["messageId"],
    To: system["to"],
    ReplyTo: system["replyTo"],
    Label: system["subject"] ?? system["label"],
    SessionId: system["sessionId"],
    ReplyToSessionId: system["replyToSessionId"],
    ContentType: system["contentType"],
  });
  return known + writePairs("Properties", properties);
}

function writePairs(name: string, values: Readonly<Record<string, string | number | boolean>>): string {
  const pairs = Object.entries(values).map(
    ([key, value]) =>
      `<KeyValueOfstringanyType><Key>${escapeXml(key)}</Key><Value i:type="d6p1:${typeName(value)}" ` +
      `xmlns:d6p1="http://www.w3.org/2001/XMLSchema">${escapeXml(String(value))}</Value></KeyValueOfstringanyType>`,
  );
  return pairs.length > 0 ? `<${name}>${pairs.join("")}</${name}>` : "";
}

const typeName = (value: string | number | boolean): string => (typeof value === "number" ? "double" : typeof value);
