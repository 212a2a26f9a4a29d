/** The subscriptions of topic `timers` among what a stack registers. */
import { expect } from "vitest";
import type { Properties } from "../../../infra/tools/stub-engine.ts";

const TIMER_SUBSCRIPTION = "azure-native:servicebus:Subscription";
const TIMER_RULES = ["azure-native:servicebus:DefaultRule", "azure-native:servicebus:Rule"];

interface Registered {
  readonly type: string;
  readonly inputs: Properties;
}

/** By subscription: where it forwards to, and the expressions of all its rules. */
export function subscriptionsOf(all: readonly Registered[]): Record<string, { to: unknown; rules: unknown[] }> {
  const rules = all.filter(({ type }) => TIMER_RULES.includes(type));
  return Object.fromEntries(
    all
      .filter(({ type }) => type === TIMER_SUBSCRIPTION)
      .map(({ inputs }) => {
        expect(inputs["topicName"]).toBe("timers");
        const name = String(inputs["subscriptionName"]);
        const own = rules.filter((rule) => rule.inputs["subscriptionName"] === name);
        const expressions = own.map((rule) => (rule.inputs["sqlFilter"] as { sqlExpression: string }).sqlExpression);
        return [name, { to: inputs["forwardTo"], rules: expressions }];
      }),
  );
}
