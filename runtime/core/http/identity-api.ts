/** Grants on the identities of pools in requests and answers of the web API. */
import * as z from "zod";
import { TOKEN_AUDIENCE_PATTERN } from "../package/token-audience.ts";
import { TOKEN_AUDIENCES_MAX_COUNT } from "../limits.ts";
import type { IdentityGrant } from "../ports/identity-grant-store.ts";
import { poolName } from "./requests.ts";
import { tenantParams } from "./tenant-api.ts";
import type { Frozen } from "./views.ts";

export const identityGrantParams = tenantParams.extend({ pool: poolName });

export const putIdentityGrantSchema = z
  .strictObject({
    audiences: z
      .array(z.string().regex(TOKEN_AUDIENCE_PATTERN, "must be an audience such as https://management.azure.com"))
      .min(1, "must name at least one audience")
      .max(TOKEN_AUDIENCES_MAX_COUNT, `must name at most ${TOKEN_AUDIENCES_MAX_COUNT} audiences`)
      .meta({ description: "Services of Azure.", examples: [["https://management.azure.com"]] }),
  })
  .meta({ id: "PutIdentityGrant" });

export const identityGrantViewSchema = z
  .object({
    tenantName: z.string(),
    pool: z.string(),
    audiences: z.array(z.string()),
    grantedAt: z.iso.datetime(),
    grantedBy: z.string(),
  })
  .meta({
    id: "IdentityGrant",
    description: "That a tenant's jobs get tokens of a pool's identity, and for which services.",
  });

export const identityGrantsSchema = z
  .object({ items: z.array(identityGrantViewSchema) })
  .meta({ id: "IdentityGrants", description: "By pool." });

export type PutIdentityGrantBody = Readonly<z.input<typeof putIdentityGrantSchema>>;
export type IdentityGrantView = Frozen<z.infer<typeof identityGrantViewSchema>>;

export const identityGrantView = ({ grantedAt, ...grant }: IdentityGrant): IdentityGrantView => ({
  tenantName: grant.tenantName,
  pool: grant.pool,
  audiences: grant.audiences,
  grantedAt: grantedAt.toISOString(),
  grantedBy: grant.grantedBy,
});
