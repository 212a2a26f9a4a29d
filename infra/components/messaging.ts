/**
 * The Service Bus namespace with all queues, topics, subscriptions and filters of the topology. Only identities have
 * access.
 */
import * as servicebus from "@pulumi/azure-native/servicebus/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { BusTopology, SubscriptionSettings, TopicSettings } from "../../runtime/core/deployment/service-bus.ts";
import { queueProperties, ruleProperties, subscriptionProperties, topicProperties } from "../plan/bus-entities.ts";
import { lookUp } from "../plan/look-up.ts";
import type { AllowedNetworks, Place } from "./place.ts";

export interface MessagingArgs {
  readonly place: Place;
  readonly sku: "Standard" | "Premium";
  /** Messaging units of a premium namespace. */
  readonly capacity: number;
  readonly topology: BusTopology;
  readonly protect: boolean;
  /**
   * The only subnets that reach a premium namespace. Undefined: any address with a token. Standard has no such rule.
   */
  readonly allowOnly: AllowedNetworks | undefined;
}

export class Messaging extends pulumi.ComponentResource {
  readonly namespaceId: pulumi.Output<string>;
  /** The host name for clients. */
  readonly hostName: pulumi.Output<string>;
  /** The subscriptions of all topics, with their filters. */
  readonly subscriptions: readonly pulumi.Resource[];
  readonly #queueIds = new Map<string, pulumi.Output<string>>();
  readonly #topicIds = new Map<string, pulumi.Output<string>>();
  readonly #namespaceName: pulumi.Output<string>;
  readonly #resourceGroupName: pulumi.Input<string>;
  readonly #protect: boolean;

  constructor(name: string, args: MessagingArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Messaging", name, {}, options);
    const { place, sku, topology, protect } = args;
    const child = { parent: this, protect };

    const namespace = new servicebus.Namespace(
      `jobyard-${name}`,
      {
        ...place,
        sku: { name: sku, tier: sku, ...(sku === "Premium" ? { capacity: args.capacity } : {}) },
        disableLocalAuth: true,
        minimumTlsVersion: servicebus.TlsVersion.TlsVersion_1_2,
        ...(sku === "Premium" ? { premiumMessagingPartitions: 1 } : {}),
      },
      child,
    );
    this.#namespaceName = namespace.name;
    this.#resourceGroupName = place.resourceGroupName;
    this.#protect = protect;
    if (sku === "Premium" && args.allowOnly !== undefined) {
      new servicebus.NamespaceNetworkRuleSet(
        `${name}-network`,
        {
          resourceGroupName: place.resourceGroupName,
          namespaceName: namespace.name,
          defaultAction: servicebus.DefaultAction.Deny,
          trustedServiceAccessEnabled: true,
          virtualNetworkRules: args.allowOnly.subnetIds.map((id) => ({ subnet: { id } })),
          ipRules: args.allowOnly.ipRanges.map((ipMask) => ({ ipMask, action: servicebus.NetworkRuleIPAction.Allow })),
        },
        { parent: this },
      );
    }

    const queues = topology.queues.map((settings) => {
      const queue = new servicebus.Queue(
        `${name}-queue-${settings.name}`,
        { ...this.#entity(), queueName: settings.name, ...queueProperties(settings) },
        child,
      );
      this.#queueIds.set(settings.name, queue.id);
      return queue;
    });
    // The target of a forwarding subscription must exist first.
    this.subscriptions = topology.topics.flatMap((topic) => this.#createTopic(name, topic, queues));

    this.namespaceId = namespace.id;
    this.hostName = pulumi.interpolate`${namespace.name}.servicebus.windows.net`;
    this.registerOutputs({ hostName: this.hostName });
  }

  queueId = (queue: string): pulumi.Output<string> => lookUp(this.#queueIds, "queue", queue);
  topicId = (topic: string): pulumi.Output<string> => lookUp(this.#topicIds, "topic", topic);

  #entity() {
    return { resourceGroupName: this.#resourceGroupName, namespaceName: this.#namespaceName };
  }

  #createTopic(name: string, settings: TopicSettings, queues: readonly servicebus.Queue[]): readonly pulumi.Resource[] {
    const child = { parent: this, protect: this.#protect };
    const topic = new servicebus.Topic(
      `${name}-topic-${settings.name}`,
      { ...this.#entity(), topicName: settings.name, ...topicProperties(settings) },
      child,
    );
    this.#topicIds.set(settings.name, topic.id);
    return (settings.subscriptions ?? []).flatMap((subscription) =>
      this.#createSubscription(`${name}-topic-${settings.name}-${subscription.name}`, topic, subscription, queues),
    );
  }

  #createSubscription(
    name: string,
    topic: servicebus.Topic,
    settings: SubscriptionSettings,
    queues: readonly servicebus.Queue[],
  ): readonly pulumi.Resource[] {
    const topicName = topic.name;
    const subscription = new servicebus.Subscription(
      name,
      { ...this.#entity(), topicName, subscriptionName: settings.name, ...subscriptionProperties(settings) },
      // A subscription that forwards holds no messages, so it needs no protection.
      { parent: this, protect: this.#protect && settings.forwardTo === undefined, dependsOn: [...queues] },
    );
    const at = { ...this.#entity(), topicName, subscriptionName: subscription.name };
    const [first, ...more] = settings.rules ?? [];
    // No rules are needed: the `$Default` rule that Azure adds matches everything.
    if (first === undefined) return [subscription];
    // A message passes if any rule matches, so `$Default` becomes the first rule. Otherwise the others would filter
    // nothing.
    const filter = new servicebus.DefaultRule(
      `${name}-filter`,
      { ...at, ...ruleProperties(first.filter) },
      { parent: this },
    );
    const others = more.map(
      ({ name: ruleName, filter: of }) =>
        new servicebus.Rule(`${name}-${ruleName}`, { ...at, ruleName, ...ruleProperties(of) }, { parent: this }),
    );
    return [subscription, filter, ...others];
  }
}
