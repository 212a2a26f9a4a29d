/** The destinations of telemetry and alerts: a Log Analytics workspace, Application Insights, and an alert receiver. */
import * as applicationinsights from "@pulumi/azure-native/applicationinsights/index.js";
import * as monitor from "@pulumi/azure-native/monitor/index.js";
import * as operationalinsights from "@pulumi/azure-native/operationalinsights/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { Place } from "./place.ts";

export interface ObservabilityArgs {
  readonly place: Place;
  readonly retentionDays: number;
  /** The daily cap, after which data is dropped. Absent: no cap. */
  readonly dailyCapGb?: number | undefined;
  /** Receivers of alerts. Without any, alerts are raised and shown, but not sent. */
  readonly alertEmail?: string | undefined;
  /** An address that receives each alert as JSON. It is a secret, because it may contain a token. */
  readonly alertWebhook?: string | undefined;
}

export class Observability extends pulumi.ComponentResource {
  readonly workspaceId: pulumi.Output<string>;
  readonly insightsId: pulumi.Output<string>;
  readonly connectionString: pulumi.Output<string>;
  /** Undefined without a receiver. */
  readonly actionGroupId: pulumi.Output<string> | undefined;

  constructor(name: string, args: ObservabilityArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Observability", name, {}, options);
    const { place, retentionDays, dailyCapGb, alertEmail, alertWebhook } = args;
    const child = { parent: this };

    const workspace = new operationalinsights.Workspace(
      `${name}-logs`,
      {
        ...place,
        sku: { name: operationalinsights.WorkspaceSkuNameEnum.PerGB2018 },
        retentionInDays: retentionDays,
        ...(dailyCapGb === undefined ? {} : { workspaceCapping: { dailyQuotaGb: dailyCapGb } }),
        features: { disableLocalAuth: true },
      },
      child,
    );
    const insights = new applicationinsights.Component(
      `${name}-insights`,
      {
        ...place,
        kind: "web",
        applicationType: applicationinsights.ApplicationType.Web,
        ingestionMode: applicationinsights.IngestionMode.LogAnalytics,
        workspaceResourceId: workspace.id,
        // The connection string then only contains the destination. Sending needs an identity.
        disableLocalAuth: true,
      },
      child,
    );
    const actionGroup =
      alertEmail === undefined && alertWebhook === undefined
        ? undefined
        : new monitor.ActionGroup(
            `${name}-alerts`,
            {
              resourceGroupName: place.resourceGroupName,
              tags: place.tags,
              location: "Global",
              enabled: true,
              groupShortName: "jobyard",
              ...(alertEmail !== undefined && {
                emailReceivers: [{ name: "operator", emailAddress: alertEmail, useCommonAlertSchema: true }],
              }),
              ...(alertWebhook !== undefined && {
                webhookReceivers: [
                  { name: "webhook", serviceUri: pulumi.secret(alertWebhook), useCommonAlertSchema: true },
                ],
              }),
            },
            child,
          );

    this.workspaceId = workspace.id;
    this.insightsId = insights.id;
    this.connectionString = insights.connectionString;
    this.actionGroupId = actionGroup?.id;
    this.registerOutputs({ workspaceId: workspace.id, insightsId: insights.id });
  }
}
