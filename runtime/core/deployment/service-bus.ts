/** How entities of Azure Service Bus are described: the settings that the service has, by the meaning it gives them. */

/** Settings of one queue. */
export interface QueueSettings {
  readonly name: string;
  /** How long a received message stays invisible to others. Default 1 min, at most 5 min (a service limit). */
  readonly lockMs?: number;
  /** Deliveries after which the broker dead-letters a message by itself. Default 10. */
  readonly maxDeliveryCount?: number;
  /** How long a MessageId is remembered; absent: no duplicate detection. 20 s to 7 days. */
  readonly duplicateWindowMs?: number;
  /** Default time to live of a message; absent: for ever. */
  readonly timeToLiveMs?: number;
  /** Whether an expired message goes to the dead-letter queue instead of vanishing. Default false. */
  readonly deadLetterOnExpiry?: boolean;
  readonly requiresSession?: boolean;
  /** A queue or topic every message is passed on to. */
  readonly forwardTo?: string;
  /** A queue or topic every dead-lettered message is passed on to. */
  readonly forwardDeadLetteredTo?: string;
  /** Removes the entity after this time without a send or receive; absent: never. At least 5 min in Azure. */
  readonly autoDeleteOnIdleMs?: number;
}

/** What a subscription lets through. `properties` and `system` of a correlation filter must all be equal. */
export type RuleFilter =
  | { readonly kind: "sql"; readonly expression: string }
  | {
      readonly kind: "correlation";
      readonly system?: Readonly<Record<string, string>>;
      readonly properties?: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly kind: "true" }
  | { readonly kind: "false" };

export interface SubscriptionSettings extends Omit<QueueSettings, "duplicateWindowMs"> {
  /** Named rules; a message passes when any matches. Absent: one rule `$Default` that matches everything. */
  readonly rules?: readonly { readonly name: string; readonly filter: RuleFilter }[];
}

export interface TopicSettings {
  readonly name: string;
  readonly duplicateWindowMs?: number;
  readonly timeToLiveMs?: number;
  /** Removes the topic after this time without a send or receive; absent: never. At least 5 min in Azure. */
  readonly autoDeleteOnIdleMs?: number;
  readonly subscriptions?: readonly SubscriptionSettings[];
}

/** What a Service Bus namespace contains. */
export interface BusTopology {
  readonly queues: readonly QueueSettings[];
  readonly topics: readonly TopicSettings[];
}
