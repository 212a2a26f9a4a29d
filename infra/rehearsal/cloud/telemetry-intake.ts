/** The part of Application Insights that programs call: it takes telemetry from who may publish it, and counts it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Access } from "./access.ts";
import { readBody, sendJson } from "./http.ts";
import type { Tokens } from "./tokens.ts";

export interface TelemetryIntake {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** How many items have come: by `{role} {kind}`, such as `jobyard.jobyard-worker MetricData`. */
  readonly counts: ReadonlyMap<string, number>;
}

/** https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication */
const AUDIENCE = "https://monitor.azure.com";
const itemsSchema = z.array(
  z.object({ tags: z.record(z.string(), z.string()), data: z.object({ baseType: z.string() }) }),
);

export function createTelemetryIntake({
  access,
  tokens,
  insightsId,
}: {
  readonly access: Access;
  readonly tokens: Tokens;
  /** The resource id of the component. */
  readonly insightsId: () => string;
}): TelemetryIntake {
  const counts = new Map<string, number>();
  return {
    counts,
    async handle(request, response) {
      const body = (await readBody(request)).toString();
      const principalId = tokens.principalOf(request.headers.authorization, AUDIENCE);
      if (principalId === undefined) {
        access.deny("without a usable token", "telemetry.publish", insightsId());
        sendJson(response, 401, { itemsReceived: 0, itemsAccepted: 0, errors: [] });
      } else if (!access.allows(principalId, "telemetry.publish", insightsId())) {
        sendJson(response, 403, { itemsReceived: 0, itemsAccepted: 0, errors: [] });
      } else {
        const items = itemsSchema.parse(JSON.parse(body));
        for (const { tags, data } of items) {
          const key = `${tags["ai.cloud.role"] ?? ""} ${data.baseType}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        sendJson(response, 200, { itemsReceived: items.length, itemsAccepted: items.length, errors: [] });
      }
    },
  };
}
