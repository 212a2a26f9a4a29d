/** The alert rules on Azure's own metrics, as data. `query-alerts.ts` has those on the metrics of Jobyard. */
import type { AlertRule } from "./query-alerts.ts";

export interface MetricAlertPlan extends AlertRule {
  /** The watched resource. `workers` means every pool. */
  readonly on: "bus" | "api" | "workers";
  readonly metricNamespace: string;
  readonly metricName: string;
  readonly aggregation: "Average" | "Maximum" | "Total";
  readonly operator: "GreaterThan" | "LessThan";
  readonly threshold: number;
  /** Raised separately for each value of this dimension. */
  readonly splitBy?: string;
}

const BUS = "Microsoft.ServiceBus/namespaces";
const SITE = "Microsoft.Web/sites";

/** Any deployment has some failed requests an hour. More than this in 15 minutes is a problem. */
const API_ERRORS = 10;
/** A throttled namespace slows its clients down. A steady stream of refusals means that it is too small. */
const THROTTLED = 100;

export const planMetricAlerts = ({ backlog }: { readonly backlog: number }): readonly MetricAlertPlan[] => [
  {
    id: "dead-letters",
    description: "Jobs have failed finally, or messages could not be read. See GET /v1/dead-letters.",
    on: "bus",
    metricNamespace: BUS,
    metricName: "DeadletteredMessages",
    aggregation: "Maximum",
    operator: "GreaterThan",
    threshold: 0,
    splitBy: "EntityName",
    severity: 2,
    everyMinutes: 5,
    windowMinutes: 15,
  },
  {
    id: "backlog",
    description: "A queue has more messages than its workers can process. Check for jobs that hang, or add workers.",
    on: "bus",
    metricNamespace: BUS,
    metricName: "ActiveMessages",
    aggregation: "Average",
    operator: "GreaterThan",
    threshold: backlog,
    splitBy: "EntityName",
    severity: 2,
    everyMinutes: 15,
    windowMinutes: 60,
  },
  {
    id: "throttled",
    description: "Service Bus refuses requests: the Standard tier is too small for this load.",
    on: "bus",
    metricNamespace: BUS,
    metricName: "ThrottledRequests",
    aggregation: "Total",
    operator: "GreaterThan",
    threshold: THROTTLED,
    severity: 2,
    everyMinutes: 5,
    windowMinutes: 15,
  },
  {
    id: "workers-unavailable",
    description: "Machines of a pool have been unavailable for longer than a repair takes.",
    on: "workers",
    metricNamespace: "Microsoft.Compute/virtualMachineScaleSets",
    metricName: "VmAvailabilityMetric",
    aggregation: "Average",
    operator: "LessThan",
    threshold: 1,
    severity: 2,
    everyMinutes: 15,
    windowMinutes: 60,
  },
  {
    id: "api-errors",
    description: "The API answers 5xx.",
    on: "api",
    metricNamespace: SITE,
    metricName: "Http5xx",
    aggregation: "Total",
    operator: "GreaterThan",
    threshold: API_ERRORS,
    severity: 1,
    everyMinutes: 5,
    windowMinutes: 15,
  },
  {
    id: "api-unhealthy",
    description: "Instances of the API fail their health check.",
    on: "api",
    metricNamespace: SITE,
    metricName: "HealthCheckStatus",
    aggregation: "Average",
    operator: "LessThan",
    threshold: 100,
    severity: 1,
    everyMinutes: 5,
    windowMinutes: 15,
  },
];
