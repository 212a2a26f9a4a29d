/** Monitoring of the deployment: diagnostic logs, alerts, and the workbook. */
import * as applicationinsights from "@pulumi/azure-native/applicationinsights/index.js";
import * as monitor from "@pulumi/azure-native/monitor/index.js";
import * as pulumi from "@pulumi/pulumi";
import { planAlerts, type AlertPlan } from "../plan/alerts.ts";
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
  /** Number of waiting messages in one queue that raises an alert. */
  readonly backlog: number;
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

    for (const alert of planAlerts({ backlog: args.backlog })) {
      switch (alert.on) {
        case "bus":
          this.#alert(`${name}-${alert.id}`, alert, busId, args);
          break;
        case "api":
          this.#alert(`${name}-${alert.id}`, alert, apiId, args);
          break;
        case "workers":
          for (const [pool, id] of pools) this.#alert(`${name}-${alert.id}-${pool}`, alert, id, args);
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
          .all([busId, apiId, Object.fromEntries(pools)])
          .apply(([bus, api, byPool]) => workbookJson({ busId: bus, apiId: api, pools: byPool })),
      },
      child,
    );
    this.registerOutputs({});
  }

  #alert(name: string, plan: AlertPlan, resourceId: pulumi.Input<string>, { place, observability }: WatchArgs): void {
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
        evaluationFrequency: `PT${plan.everyMinutes}M`,
        windowSize: plan.windowMinutes === 60 ? "PT1H" : `PT${plan.windowMinutes}M`,
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
}
