/** Scales a worker pool with its queues, by the rules of core. */
import * as monitor from "@pulumi/azure-native/monitor/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { AutoscalePlan } from "../../runtime/core/deployment/autoscale.ts";
import { poolProfile } from "../plan/autoscale-profile.ts";
import type { Place } from "./place.ts";

export interface AutoscaleArgs {
  readonly place: Place;
  readonly plan: AutoscalePlan;
  readonly scaleSetId: pulumi.Input<string>;
  /** The namespace that provides the metrics. */
  readonly busId: pulumi.Input<string>;
  /** The workspace for the log of decisions and their reasons. */
  readonly workspaceId: pulumi.Input<string>;
}

export class Autoscale extends pulumi.ComponentResource {
  constructor(name: string, args: AutoscaleArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:Autoscale", name, {}, options);
    const { place } = args;
    const setting = new monitor.AutoscaleSetting(
      `${name}-setting`,
      {
        ...place,
        // Off by default in Azure.
        enabled: true,
        targetResourceUri: args.scaleSetId,
        targetResourceLocation: place.location,
        profiles: [poolProfile(args.plan, { resourceId: args.busId, location: place.location })],
      },
      { parent: this },
    );
    new monitor.DiagnosticSetting(
      `${name}-log`,
      {
        resourceUri: setting.id,
        workspaceId: args.workspaceId,
        logs: ["AutoscaleEvaluations", "AutoscaleScaleActions"].map((category) => ({ category, enabled: true })),
      },
      { parent: this },
    );
    this.registerOutputs({ settingId: setting.id });
  }
}
