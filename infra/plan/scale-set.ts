/** The form of a scale set, which follows from how its pool scales. */
import { AUTOSCALE_MAX_INSTANCES } from "../../runtime/core/deployment/autoscale.ts";
import type { PoolConfig } from "../config.ts";

export interface ScaleSetShape {
  /** One placement group holds 100 machines, and is a second guard that no rule passes. */
  readonly singlePlacementGroup: boolean;
  /** Racks the machines are spread over; with several placement groups Azure spreads as far as it can. */
  readonly faultDomains: number;
  /** Machines to begin with; with autoscale the number changes from then on. */
  readonly capacity: number;
  /** Whether Azure replaces machines that report themselves unhealthy. */
  readonly repairs: boolean;
}

/** https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs */
const REPAIRS_MAX_INSTANCES = 200;

export function scaleSetShape({ scale }: Pick<PoolConfig, "scale">): ScaleSetShape {
  const singlePlacementGroup = scale.kind === "auto" || scale.count <= AUTOSCALE_MAX_INSTANCES;
  return {
    singlePlacementGroup,
    faultDomains: singlePlacementGroup ? 5 : 1,
    capacity: scale.kind === "auto" ? scale.min : scale.count,
    repairs: scale.kind === "auto" || scale.count <= REPAIRS_MAX_INSTANCES,
  };
}
