/** The audit in requests and answers of the web API. */
import * as z from "zod";
import { ACTOR_KINDS, AUDIT_OUTCOMES, type AuditEntry } from "../audit.ts";
import { AUDIT_TEXT_MAX_LENGTH } from "../limits.ts";
import { instant, pageFields } from "./requests.ts";
import type { Frozen } from "./views.ts";

const exactText = z.string().min(1).max(AUDIT_TEXT_MAX_LENGTH);

export const listAuditSchema = z.strictObject({
  ...pageFields,
  since: instant.optional().meta({ description: "Only entries from then on." }),
  actor: exactText.optional().meta({ description: "Only changes by this caller: its name, or its object id." }),
  operation: exactText.optional().meta({ description: "Only this operation, by its id.", examples: ["putGrant"] }),
});

const factsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).meta({
  id: "AuditFacts",
  description: "Names, versions and counts. Never secrets, parameters or values of settings.",
});

export const auditEntrySchema = z
  .object({
    at: z.iso.datetime(),
    tenantName: z.string().optional().meta({ description: "Absent: it belongs to no tenant." }),
    operation: z.string().meta({ description: "Id of the operation." }),
    outcome: z.enum(AUDIT_OUTCOMES).meta({
      description:
        "`done`; `refused`: nothing was changed; `failed`: an error of the system, the change may have been made.",
    }),
    code: z.string().optional().meta({ description: "Of the error." }),
    actor: z.string().meta({ description: "Name of the caller." }),
    actorId: z
      .string()
      .optional()
      .meta({ description: "Object id of the caller. Absent without authentication, and of the service itself." }),
    actorKind: z.enum(ACTOR_KINDS).optional(),
    from: z.string().optional().meta({ description: "Address of the caller." }),
    requestId: z.string().meta({ description: "Finds the request in the log." }),
    subject: factsSchema.meta({ description: "What was changed." }),
    before: factsSchema.optional(),
    after: factsSchema.optional(),
  })
  .meta({ id: "AuditEntry", description: "One change through the API." });

export type AuditEntryView = Frozen<z.infer<typeof auditEntrySchema>>;

export function auditEntryView({ at, entryId: _, ...entry }: AuditEntry): AuditEntryView {
  const { tenantName, operation, outcome, code, actor, actorId, actorKind, from, requestId } = entry;
  const { subject, before, after } = entry;
  return {
    at: at.toISOString(),
    ...(tenantName !== undefined && { tenantName }),
    operation,
    outcome,
    ...(code !== undefined && { code }),
    actor,
    ...(actorId !== undefined && { actorId }),
    ...(actorKind && { actorKind }),
    ...(from !== undefined && { from }),
    requestId,
    subject,
    ...(before && { before }),
    ...(after && { after }),
  };
}
