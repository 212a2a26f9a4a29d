/** Converts the autoscale plans of core, and that of the API's plan, to Azure Monitor's form. */
import type { AutoscalePlan, AutoscaleRule, ScaleChange } from "../../runtime/core/deployment/autoscale.ts";

/** The source of a rule's metric. */
export interface MetricSource<Text> {
  readonly resourceId: Text;
  readonly location: Text;
}

const minutes = (count: number): string => `PT${count}M`;

/** The profile of a worker pool. It reads its queues from the namespace's metrics. */
export const poolProfile = <Text>(plan: AutoscalePlan, source: MetricSource<Text>) => ({
  name: "follow-the-queues",
  capacity: {
    minimum: String(plan.minimum),
    maximum: String(plan.maximum),
    default: String(plan.fallback),
  },
  rules: plan.rules.map((rule) => ({
    metricTrigger: {
      metricName: "ActiveMessages",
      metricNamespace: "microsoft.servicebus/namespaces",
      metricResourceUri: source.resourceId,
      metricResourceLocation: source.location,
      dimensions: queueDimension(rule.queue),
      timeGrain: minutes(1),
      statistic: "Average",
      timeAggregation: "Average",
      timeWindow: minutes(rule.windowMinutes),
      operator: rule.direction === "out" ? "GreaterThan" : "LessThan",
      threshold: rule.threshold,
      dividePerInstance: rule.perInstance,
    } as const,
    scaleAction: scaleAction(rule),
  })),
});

/** The namespace's metric, for this queue only. */
const queueDimension = (queue: string): { dimensionName: string; operator: "Equals"; values: string[] }[] => [
  { dimensionName: "EntityName", operator: "Equals", values: [queue] },
];

function scaleAction({ direction, change, cooldownMinutes }: AutoscaleRule) {
  return {
    direction: direction === "out" ? "Increase" : "Decrease",
    type: CHANGE_TYPE[change.kind],
    value: String(change.value),
    cooldown: minutes(cooldownMinutes),
  } as const;
}

const CHANGE_TYPE = {
  percent: "PercentChangeCount",
  count: "ChangeCount",
  exactly: "ExactCount",
} as const satisfies Readonly<Record<ScaleChange["kind"], string>>;

const CPU_OUT_PERCENT = 70;
const CPU_IN_PERCENT = 30;

/** The profile of the API's plan: adds or removes one instance by processor load. */
export const apiProfile = <Text>(
  range: { readonly min: number; readonly max: number },
  source: MetricSource<Text>,
) => ({
  name: "follow-the-load",
  capacity: { minimum: String(range.min), maximum: String(range.max), default: String(range.min) },
  rules: (["Increase", "Decrease"] as const).map((direction) => ({
    metricTrigger: {
      metricName: "CpuPercentage",
      metricNamespace: "microsoft.web/serverfarms",
      metricResourceUri: source.resourceId,
      metricResourceLocation: source.location,
      timeGrain: minutes(1),
      statistic: "Average",
      timeAggregation: "Average",
      timeWindow: minutes(direction === "Increase" ? 5 : 10),
      operator: direction === "Increase" ? "GreaterThan" : "LessThan",
      threshold: direction === "Increase" ? CPU_OUT_PERCENT : CPU_IN_PERCENT,
      dividePerInstance: false,
    } as const,
    scaleAction: { direction, type: "ChangeCount", value: "1", cooldown: minutes(5) } as const,
  })),
});
