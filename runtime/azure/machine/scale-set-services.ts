/** The platform's services for a worker on a scale set instance: its metadata, and its protection from scale-in. */
import type { ScaleSetSettings } from "../../core/settings/machine-settings.ts";
import type { Logger } from "../../core/logger.ts";
import type { ScaleSetServices } from "../../core/ports/machine.ts";
import { createMetadataService } from "./metadata-service.ts";
import { createInstanceProtection, isUniformInstance } from "./resource-manager.ts";
import type { Clock } from "../../core/clock.ts";

export interface ScaleSetServicesDeps {
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

export function connectScaleSet(
  { metadataUrl, identityClientId, resourceManagerUrl }: ScaleSetSettings,
  { monotonicNow, log }: ScaleSetServicesDeps,
): ScaleSetServices {
  const metadata = createMetadataService({ url: metadataUrl, identityClientId, monotonicNow });
  return {
    metadata,
    protectionOf: (instance) =>
      isUniformInstance(instance)
        ? createInstanceProtection({ metadata, instance, resourceManagerUrl, monotonicNow, log })
        : undefined,
  };
}
