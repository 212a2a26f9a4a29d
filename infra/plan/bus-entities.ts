/** Converts the topology's queues, topics, subscriptions and rules to Azure Resource Manager's form. */
import type {
  QueueSettings,
  RuleFilter,
  SubscriptionSettings,
  TopicSettings,
} from "../../runtime/core/deployment/service-bus.ts";

/** ISO 8601 in ARM's form: `PT60S`, `PT0.5S`. */
const duration = (ms: number): string => `PT${ms / 1_000}S`;

/** Maximum megabytes of a queue or topic: the Standard tier's limit without partitions. */
const MAX_SIZE_MB = 5_120;

/** The common properties of queues and subscriptions. */
function receivingProperties(settings: SubscriptionSettings) {
  const { lockMs, maxDeliveryCount, timeToLiveMs, deadLetterOnExpiry, requiresSession, autoDeleteOnIdleMs } = settings;
  return {
    ...(lockMs === undefined ? {} : { lockDuration: duration(lockMs) }),
    ...(maxDeliveryCount === undefined ? {} : { maxDeliveryCount }),
    ...(timeToLiveMs === undefined ? {} : { defaultMessageTimeToLive: duration(timeToLiveMs) }),
    ...(autoDeleteOnIdleMs === undefined ? {} : { autoDeleteOnIdle: duration(autoDeleteOnIdleMs) }),
    ...(settings.forwardTo === undefined ? {} : { forwardTo: settings.forwardTo }),
    ...(settings.forwardDeadLetteredTo === undefined
      ? {}
      : { forwardDeadLetteredMessagesTo: settings.forwardDeadLetteredTo }),
    deadLetteringOnMessageExpiration: deadLetterOnExpiry ?? false,
    requiresSession: requiresSession ?? false,
    enableBatchedOperations: true,
  };
}

const duplicateDetection = (windowMs: number | undefined) =>
  windowMs === undefined
    ? { requiresDuplicateDetection: false }
    : { requiresDuplicateDetection: true, duplicateDetectionHistoryTimeWindow: duration(windowMs) };

export const queueProperties = (queue: QueueSettings) => ({
  ...receivingProperties(queue),
  ...duplicateDetection(queue.duplicateWindowMs),
  maxSizeInMegabytes: MAX_SIZE_MB,
});

export const topicProperties = ({ duplicateWindowMs, timeToLiveMs, autoDeleteOnIdleMs }: TopicSettings) => ({
  ...duplicateDetection(duplicateWindowMs),
  ...(timeToLiveMs === undefined ? {} : { defaultMessageTimeToLive: duration(timeToLiveMs) }),
  ...(autoDeleteOnIdleMs === undefined ? {} : { autoDeleteOnIdle: duration(autoDeleteOnIdleMs) }),
  maxSizeInMegabytes: MAX_SIZE_MB,
  enableBatchedOperations: true,
});

export const subscriptionProperties = (subscription: SubscriptionSettings) => ({
  ...receivingProperties(subscription),
  // A filter that cannot be evaluated is a fault to report. It must not lose a message.
  deadLetteringOnFilterEvaluationExceptions: true,
});

/** System properties of a correlation filter that have their own field. */
const SYSTEM_PROPERTIES = [
  "contentType",
  "correlationId",
  "label",
  "messageId",
  "replyTo",
  "replyToSessionId",
  "sessionId",
  "to",
] as const;

/** ARM uses the old name for `subject`. */
const SYSTEM_ALIASES: Readonly<Record<string, string>> = { subject: "label" };

/** Throws RangeError for a system property that no filter can compare. */
export function ruleProperties(filter: RuleFilter) {
  switch (filter.kind) {
    case "sql":
      return {
        filterType: "SqlFilter",
        sqlFilter: { sqlExpression: filter.expression, compatibilityLevel: 20 },
      } as const;
    case "true":
      return { filterType: "SqlFilter", sqlFilter: { sqlExpression: "1=1", compatibilityLevel: 20 } } as const;
    case "false":
      return { filterType: "SqlFilter", sqlFilter: { sqlExpression: "1=0", compatibilityLevel: 20 } } as const;
    case "correlation":
      return {
        filterType: "CorrelationFilter",
        correlationFilter: {
          ...systemProperties(filter.system ?? {}),
          ...(filter.properties === undefined ? {} : { properties: texts(filter.properties) }),
        },
      } as const;
  }
}

function systemProperties(
  given: Readonly<Record<string, string>>,
): Partial<Record<(typeof SYSTEM_PROPERTIES)[number], string>> {
  const entries = Object.entries(given).map(([name, value]) => {
    const property = SYSTEM_PROPERTIES.find((known) => known === (SYSTEM_ALIASES[name] ?? name));
    if (property === undefined)
      throw new RangeError(`A correlation filter cannot compare the system property ${name}.`);
    return [property, value];
  });
  return Object.fromEntries(entries) as Partial<Record<(typeof SYSTEM_PROPERTIES)[number], string>>;
}

/** ARM has only texts. A number or boolean needs a SQL filter. Throws RangeError. */
function texts(properties: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => {
      if (typeof value === "string") return [name, value];
      throw new RangeError(`A correlation filter in Azure compares only texts. Use a SQL filter for ${name}.`);
    }),
  );
}
