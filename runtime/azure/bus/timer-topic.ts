/**
 * The topic of timers. The sender gives each tick its due time and its listener. The subscription of that listener
 * forwards it to a queue. Subscriptions are created and removed at run time.
 */
import type {
  CreateSubscriptionOptions,
  ServiceBusAdministrationClient,
  ServiceBusClient,
  ServiceBusMessage,
  ServiceBusMessageBatch,
  ServiceBusSender,
  SubscriptionProperties,
  WithResponse,
} from "@azure/service-bus";
import { TIMERS_TOPIC, timerSubscription } from "../../core/deployment/topology.ts";
import type { SubscriptionSettings } from "../../core/deployment/service-bus.ts";
import { InvariantError, UnavailableError } from "../../core/errors.ts";
import type { TickSender, TimerSubscriptions } from "../../core/ports/timer-topic.ts";
import { LISTENER_PROPERTY, type OutgoingTick } from "../../core/timer/tick.ts";
import { busError, isEntityExisting, isEntityMissing } from "../translate-error.ts";
import { retryBusCall } from "./retry-bus-call.ts";

export interface TickSenderDeps {
  /** The sender owns it: closing closes it. */
  readonly bus: ServiceBusClient;
}

/** After this time an acknowledgement counts as lost. The tick is sent again, and the broker drops a duplicate. */
const ACCEPT_WITHIN_MS = 5_000;

export function createTickSender({ bus }: TickSenderDeps): TickSender {
  let opened: ServiceBusSender | undefined;
  const sender = (): ServiceBusSender => (opened ??= bus.createSender(TIMERS_TOPIC));
  let closing: Promise<void> | undefined;

  const open = (): Promise<ServiceBusMessageBatch> =>
    retryBusCall("opening a sender", () => sender().createMessageBatch());

  const sendBatch = (batch: ServiceBusMessageBatch): Promise<void> =>
    retryBusCall("sending ticks", () =>
      sender().sendMessages(batch, { abortSignal: AbortSignal.timeout(ACCEPT_WITHIN_MS) }),
    );

  return {
    async send(ticks) {
      let batch: ServiceBusMessageBatch | undefined;
      for (const message of ticks.map(messageOf)) {
        batch ??= await open();
        if (batch.tryAddMessage(message)) continue;
        await sendBatch(batch);
        batch = await open();
        if (!batch.tryAddMessage(message)) throw new InvariantError("A tick is larger than a message may be.");
      }
      if (batch !== undefined) await sendBatch(batch);
    },
    async close() {
      closing ??= bus.close();
      try {
        await closing;
      } catch (error) {
        throw busError(error, "closing");
      }
    },
  };
}

const messageOf = ({ tick, messageId, listener, enqueueAt }: OutgoingTick): ServiceBusMessage => ({
  body: tick,
  messageId,
  contentType: "application/json",
  applicationProperties: { [LISTENER_PROPERTY]: listener },
  scheduledEnqueueTimeUtc: enqueueAt,
});

/** Marks our subscriptions in `userMetadata`, which the portal shows. */
const OURS = "jobyard: registered at run time";

/** Another process can create or remove the same subscription meanwhile. So many conflicts in a row are an error. */
const TRIES = 5;

export interface TimerSubscriptionsDeps {
  readonly admin: ServiceBusAdministrationClient;
}

interface Rule {
  readonly name: string;
  readonly expression: string;
}

/**
 * Each subscription is created together with its only rule, so that it never receives ticks of another timer.
 * Subscriptions without our mark belong to a deployment and are not changed.
 */
export function createTimerSubscriptions({ admin }: TimerSubscriptionsDeps): TimerSubscriptions {
  async function find(name: string): Promise<WithResponse<SubscriptionProperties> | undefined> {
    try {
      return await admin.getSubscription(TIMERS_TOPIC, name);
    } catch (error) {
      if (isEntityMissing(error)) return undefined;
      throw error;
    }
  }

  async function hasOnly(name: string, { name: ruleName, expression }: Rule): Promise<boolean> {
    const rules = await rulesOf(name);
    const [rule] = rules;
    return rules.length === 1 && rule?.name === ruleName && rule.expression === expression;
  }

  async function rulesOf(name: string): Promise<readonly { readonly name: string; readonly expression: unknown }[]> {
    const rules: { name: string; expression: unknown }[] = [];
    for await (const { name: ruleName, filter } of admin.listRules(TIMERS_TOPIC, name)) {
      rules.push({ name: ruleName, expression: "sqlExpression" in filter ? filter.sqlExpression : undefined });
    }
    return rules;
  }

  /** Writes the right rule before it deletes the others, so that no tick is lost in between. */
  async function mendRules(name: string, { name: ruleName, expression }: Rule): Promise<void> {
    const rules = await rulesOf(name);
    const filter = { sqlExpression: expression };
    if (rules.some((rule) => rule.name === ruleName)) {
      await admin.updateRule(TIMERS_TOPIC, name, { ...(await admin.getRule(TIMERS_TOPIC, name, ruleName)), filter });
    } else await admin.createRule(TIMERS_TOPIC, name, ruleName, filter);
    for (const other of rules) {
      if (other.name !== ruleName) await admin.deleteRule(TIMERS_TOPIC, name, other.name);
    }
  }

  return {
    ensure(wanted) {
      const settings = timerSubscription(wanted);
      const { name } = settings;
      const rule = ruleOf(settings);
      return retryBusCall("registering the subscription of a timer", async () => {
        for (let tries = 0; tries < TRIES; tries++) {
          try {
            const found = await find(name);
            if (found === undefined) {
              await admin.createSubscription(TIMERS_TOPIC, name, optionsOf(settings, rule));
              return "made";
            }
            const forwardsRight = queueOf(found) === wanted.queue;
            const filtersRight = await hasOnly(name, rule);
            if (forwardsRight && filtersRight) return "unchanged";
            if (!isOurs(found)) return "foreign";
            if (!forwardsRight) await admin.updateSubscription({ ...found, forwardTo: wanted.queue });
            if (!filtersRight) await mendRules(name, rule);
            return "mended";
          } catch (error) {
            // Another process created or removed it between two of these requests. Try again.
            if (!isEntityExisting(error) && !isEntityMissing(error)) throw error;
          }
        }
        throw new UnavailableError(
          "BusUnavailable",
          `Subscription ${name} changed during every attempt to register it. Retry later.`,
        );
      });
    },

    remove(name) {
      return retryBusCall("removing the subscription of a timer", async () => {
        const found = await find(name);
        if (found === undefined || !isOurs(found)) return;
        try {
          await admin.deleteSubscription(TIMERS_TOPIC, name);
        } catch (error) {
          if (!isEntityMissing(error)) throw error;
        }
      });
    },

    list() {
      return retryBusCall("listing the subscriptions of timers", async () => {
        const found = [];
        for await (const properties of admin.listSubscriptions(TIMERS_TOPIC)) {
          found.push({ name: properties.subscriptionName, isOurs: isOurs(properties), queue: queueOf(properties) });
        }
        return found;
      });
    },
  };
}

const isOurs = ({ userMetadata }: SubscriptionProperties): boolean => userMetadata === OURS;

/** The service returns the whole address. Queue names have no slash. */
const queueOf = ({ forwardTo }: SubscriptionProperties): string | undefined => forwardTo?.split("/").at(-1);

function ruleOf({ name, rules = [] }: SubscriptionSettings): Rule {
  const [rule, ...more] = rules;
  if (rule?.filter.kind !== "sql" || more.length > 0) {
    throw new InvariantError(`Subscription ${name} of a timer needs one rule with a SQL filter.`);
  }
  return { name: rule.name, expression: rule.filter.expression };
}

const optionsOf = (
  { forwardTo, maxDeliveryCount }: SubscriptionSettings,
  { name, expression }: Rule,
): CreateSubscriptionOptions => ({
  ...(forwardTo !== undefined && { forwardTo }),
  ...(maxDeliveryCount !== undefined && { maxDeliveryCount }),
  deadLetteringOnFilterEvaluationExceptions: true,
  userMetadata: OURS,
  defaultRuleOptions: { name, filter: { sqlExpression: expression } },
});
