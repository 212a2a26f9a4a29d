/** The erasing of a tenant in requests and answers of the web API. */
import * as z from "zod";
import { ERASED_THINGS, ERASURE_STATES, type Erasure } from "../job/erasure.ts";
import { tenantName } from "./requests.ts";
import type { Frozen } from "./views.ts";

export const startErasureSchema = z
  .strictObject({
    confirm: tenantName.meta({ description: "The name of the tenant once more.", examples: ["acme"] }),
  })
  .meta({ id: "StartErasure" });

const count = z.int().min(0);
const instant = z.iso.datetime();

export const erasureViewSchema = z
  .object({
    tenantName: z.string(),
    state: z.enum(ERASURE_STATES).meta({
      id: "ErasureState",
      description:
        "`stopping`: jobs are canceled and end. `removing`: rows and blobs go. It can go from one to the other several " +
        "times. `done`: nothing of the tenant was found any more.",
    }),
    startedAt: instant,
    startedBy: z.string(),
    endedAt: instant.optional(),
    canceled: count.meta({ description: "Queued jobs that were canceled for it." }),
    open: count.meta({ description: "Jobs that it waits for: their workers were asked to end them." }),
    removed: z.partialRecord(z.enum(ERASED_THINGS), count).meta({
      description: "Rows and blobs by what they were. A crash of the service can leave out what its last step removed.",
    }),
  })
  .meta({ id: "Erasure", description: "The erasing of a tenant, or the report of the last one." });

export type ErasureView = Frozen<z.infer<typeof erasureViewSchema>>;

export const erasureView = ({ startedAt, endedAt, ...erasure }: Erasure): ErasureView => ({
  tenantName: erasure.tenantName,
  state: erasure.state,
  startedAt: startedAt.toISOString(),
  startedBy: erasure.startedBy,
  ...(endedAt && { endedAt: endedAt.toISOString() }),
  canceled: erasure.canceled,
  open: erasure.open,
  removed: erasure.removed,
});
