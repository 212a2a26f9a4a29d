/** What raises an alert, as data. */

export interface AlertPlan {
  /** Logical name, and the name shown. */
  readonly id: string;
  readonly description: string;
  /** Which resource is watched; workers stand for every pool. */
  readonly on: "bus" | "api" | "workers";
  readonly metricNamespace: string;
  readonly metricName: string;
  readonly aggregation: "Average" | "Maximum" | "Total";
  readonly operator: "GreaterThan" | "LessThan";
  readonly threshold: number;
  /** Raised for each value of this dimension alone. */
  readonly splitBy?: string;
  /** 0 critical to 4 verbose. */
  readonly severity: 0 | 1 | 2 | 3;
  readonly everyMinutes: number;
  readonly windowMinutes: number;
}

const BUS = "Microsoft.ServiceBus/namespaces";
const SITE = "Microsoft.Web/sites";

/** Some failed requests an hour belong to any deployment; more than these in a quarter of one do not. */
const API_ERRORS = 10;
/** A throttled namespace slows down by itself; a steady stream of refusals means that it is too small. */
const THROTTLED = 100;

export const planAlerts = ({ backlog }: { readonly backlog: number }): readonly AlertPlan[] => [
  {
    id: "dead-letters",
    description: "Jobs have failed for good, or messages could not be read. See GET /v1/dead-letters.",
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
    description: "A queue holds more messages than its workers get done. More workers, or a job type that hangs?",
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
    description: "Machines of a pool are unavailable for longer than a repair takes.",
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
    description: "The API answers with 5xx.",
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
