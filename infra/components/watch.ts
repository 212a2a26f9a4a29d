/** Monitoring of the deployment: diagnostic logs, alerts, and the workbook. */
import * as applicationinsights from "@pulumi/azure-native/applicationinsights/index.js";
import * as monitor from "@pulumi/azure-native/monitor/index.js";
import * as pulumi from "@pulumi/pulumi";
import { planMetricAlerts, type MetricAlertPlan } from "../plan/metric-alerts.ts";
import { planQueryAlerts, type AlertLimits, type QueryAlertPlan } from "../plan/query-alerts.ts";
import { stableUuid } from "../plan/stable-id.ts";
import { workbookJson } from "../plan/workbook.ts";
import type { Observability } from "./observability.ts";
import type { Place } from "./place.ts";

export interface WatchArgs {
  readonly place: Place;
  readonly stack: string;
  readonly observability: Observability;
  readonly busId: pulumi.Input<string>;
  readonly apiId: pulumi.Input<string>;
  /** Scale sets by pool. */
  readonly pools: ReadonlyMap<string, pulumi.Input<string>>;
  readonly limits: AlertLimits & {
    /** Number of waiting messages in one queue that raises an alert. */
    readonly backlog: number;
  };
}

export class Watch extends pulumi.ComponentResource {
  constructor(name: string, args: WatchArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Watch", name, {}, options);
    const { place, observability, busId, apiId, pools } = args;
    const child = { parent: this };

    const log = (what: string, resourceUri: pulumi.Input<string>, categories: readonly string[]) =>
      new monitor.DiagnosticSetting(
        `${name}-log-${what}`,
        {
          resourceUri,
          workspaceId: observability.workspaceId,
          logs: categories.map((category) => ({ category, enabled: true })),
        },
        child,
      );
    log("bus", busId, ["OperationalLogs"]);
    // Not the request log: the API writes its own, without secrets.
    log("api", apiId, ["AppServiceConsoleLogs", "AppServicePlatformLogs"]);

    for (const alert of planQueryAlerts(args.limits)) this.#queryAlert(`${name}-${alert.id}`, alert, args);
    for (const alert of planMetricAlerts(args.limits)) {
      switch (alert.on) {
        case "bus":
          this.#metricAlert(`${name}-${alert.id}`, alert, busId, args);
          break;
        case "api":
          this.#metricAlert(`${name}-${alert.id}`, alert, apiId, args);
          break;
        case "workers":
          for (const [pool, id] of pools) this.#metricAlert(`${name}-${alert.id}-${pool}`, alert, id, args);
      }
    }

    new applicationinsights.Workbook(
      `${name}-workbook`,
      {
        ...place,
        // Workbooks are named by a UUID. A stable one keeps saved links valid.
        resourceName: stableUuid("workbook", args.stack),
        kind: applicationinsights.WorkbookSharedTypeKind.Shared,
        displayName: `Jobyard ${args.stack}`,
        category: "workbook",
        sourceId: observability.workspaceId,
        serializedData: pulumi
          .all([observability.workspaceId, busId, apiId, Object.fromEntries(pools)])
          .apply(([workspace, bus, api, byPool]) =>
            workbookJson({ workspaceId: workspace, busId: bus, apiId: api, pools: byPool }),
          ),
      },
      child,
    );
    this.registerOutputs({});
  }

  #metricAlert(
    name: string,
    plan: MetricAlertPlan,
    resourceId: pulumi.Input<string>,
    { place, observability }: WatchArgs,
  ): void {
    const { actionGroupId } = observability;
    new monitor.MetricAlert(
      name,
      {
        resourceGroupName: place.resourceGroupName,
        tags: place.tags,
        location: "global",
        description: plan.description,
        enabled: true,
        autoMitigate: true,
        severity: plan.severity,
        scopes: [resourceId],
        evaluationFrequency: period(plan.everyMinutes),
        windowSize: period(plan.windowMinutes),
        criteria: {
          odataType: "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
          allOf: [
            {
              criterionType: "StaticThresholdCriterion",
              name: plan.id,
              metricNamespace: plan.metricNamespace,
              metricName: plan.metricName,
              timeAggregation: plan.aggregation,
              operator: plan.operator,
              threshold: plan.threshold,
              // A new machine may not report this metric yet. The alert is accepted anyway.
              skipMetricValidation: true,
              ...(plan.splitBy === undefined
                ? {}
                : { dimensions: [{ name: plan.splitBy, operator: "Include", values: ["*"] }] }),
            },
          ],
        },
        ...(actionGroupId === undefined ? {} : { actions: [{ actionGroupId }] }),
      },
      { parent: this },
    );
  }

  #queryAlert(name: string, plan: QueryAlertPlan, { place, observability }: WatchArgs): void {
    const { actionGroupId, workspaceId } = observability;
    new monitor.ScheduledQueryRule(
      name,
      {
        ...place,
        kind: monitor.Kind.LogAlert,
        displayName: plan.id,
        description: plan.description,
        enabled: true,
        autoMitigate: true,
        severity: plan.severity,
        scopes: [workspaceId],
        evaluationFrequency: period(plan.everyMinutes),
        windowSize: period(plan.windowMinutes),
        // A new workspace may not have every table yet.
        skipQueryValidation: true,
        criteria: {
          allOf: [
            {
              query: plan.kql,
              timeAggregation: monitor.TimeAggregation.Count,
              // Not azure-native's ConditionOperator, which has the words of another resource.
              operator: "GreaterThan",
              threshold: 0,
              dimensions: plan.splitBy.map((column) => ({ name: column, operator: "Include", values: ["*"] })),
              failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 },
            },
          ],
        },
        ...(actionGroupId === undefined ? {} : { actions: { actionGroups: [actionGroupId] } }),
      },
      { parent: this },
    );
  }
}

/** As Azure writes it. */
const period = (minutes: number): string => (minutes === 60 ? "PT1H" : `PT${minutes}M`);
