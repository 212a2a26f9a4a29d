/** The form of a scale set. It depends on how its pool scales. */
import { AUTOSCALE_MAX_INSTANCES } from "../../runtime/core/deployment/autoscale.ts";
import type { PoolConfig } from "../config.ts";

export interface ScaleSetShape {
  /** One placement group holds 100 machines. This limit also stops a faulty rule. */
  readonly singlePlacementGroup: boolean;
  /** The fault domains of the machines. With several placement groups Azure spreads them as far as possible. */
  readonly faultDomains: number;
  /** The initial number of machines. With autoscale it changes later. */
  readonly capacity: number;
  /** Whether Azure replaces machines that report themselves as unhealthy. */
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
