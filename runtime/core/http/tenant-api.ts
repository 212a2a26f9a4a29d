/** Tenants and grants in requests and answers of the web API. */
import * as z from "zod";
import { DEFAULT_WEIGHT } from "../admission/fair-share.ts";
import { APP_ROLES, PRINCIPAL_ID_PATTERN, TENANT_ACCESS } from "./access.ts";
import type { Tenant, TenantGrant } from "../ports/tenant-store.ts";
import { pauseViewSchema } from "./pause-api.ts";
import { quotaViewSchema } from "./quota-api.ts";
import { displayName, pageFields, tenantName } from "./requests.ts";
import type { Frozen } from "./views.ts";

const principalId = z
  .string()
  .regex(PRINCIPAL_ID_PATTERN, "must be an object id of the directory: a GUID in lower case")
  .meta({ description: "Object id of the user or of the application's service principal." });

export const tenantParams = z.object({ tenantName: tenantName.meta({ description: "The tenant." }) });
export const grantParams = tenantParams.extend({ principalId });
export const listTenantsSchema = z.strictObject(pageFields);

export const putGrantSchema = z
  .strictObject({
    access: z.enum(TENANT_ACCESS).meta({ description: "Each includes the ones before it: read, submit, manage." }),
    name: displayName.meta({ description: "Of the principal, for people.", examples: ["Ada (accounting)"] }),
  })
  .meta({ id: "PutGrant" });

const tenantAccess = z.enum(TENANT_ACCESS).meta({ id: "TenantAccess" });

export const tenantViewSchema = z
  .object({
    tenantName: z.string(),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    weight: z.int().meta({ description: "Share of the slots in proportion to other tenants." }),
  })
  .meta({ id: "Tenant" });

export const grantViewSchema = z
  .object({
    tenantName: z.string(),
    principalId: z.string(),
    access: tenantAccess,
    name: z.string(),
    grantedAt: z.iso.datetime(),
    grantedBy: z.string(),
  })
  .meta({ id: "Grant", description: "That a principal may act for a tenant, and how far." });

export const meSchema = z
  .object({
    name: z.string(),
    kind: z.enum(["user", "application"]).optional().meta({ description: "Absent where callers are not known." }),
    principalId: z.string().optional(),
    roles: z.array(z.enum(APP_ROLES)).meta({ description: "What the caller may do at most." }),
    grants: z
      .array(z.object({ tenantName: z.string(), access: tenantAccess }))
      .meta({ description: "For which tenants, and how far." }),
    pauses: z
      .array(pauseViewSchema)
      .optional()
      .meta({ description: "Of pools and queues, and of the caller's tenants. Absent: nothing is paused." }),
    allTenants: z.boolean().meta({ description: "The caller needs no grants." }),
    quotas: z.array(quotaViewSchema).optional().meta({ description: "Of the first 20 tenants above that have any." }),
  })
  .meta({ id: "Me" });

export type PutGrantBody = Readonly<z.input<typeof putGrantSchema>>;
export type TenantView = Frozen<z.infer<typeof tenantViewSchema>>;
export type MeView = Frozen<z.infer<typeof meSchema>>;
export type GrantView = Frozen<z.infer<typeof grantViewSchema>>;

export const tenantView = ({ tenantName: name, createdAt, createdBy, weight }: Tenant): TenantView => ({
  tenantName: name,
  createdAt: createdAt.toISOString(),
  createdBy,
  weight: weight ?? DEFAULT_WEIGHT,
});

export const grantView = ({ grantedAt, ...grant }: TenantGrant): GrantView => ({
  tenantName: grant.tenantName,
  principalId: grant.principalId,
  access: grant.access,
  name: grant.name,
  grantedAt: grantedAt.toISOString(),
  grantedBy: grant.grantedBy,
});
