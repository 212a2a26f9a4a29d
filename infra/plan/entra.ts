/** What the API's app registration says of core's roles and scope: their ids, and what people read. */
import { USER_SCOPE } from "../../runtime/core/http/auth-facts.ts";
import type { AppRole } from "../../runtime/core/http/access.ts";
import { stableUuid } from "./stable-id.ts";

/** Shown to whoever assigns them. */
export const ROLE_DESCRIPTIONS: Readonly<Record<AppRole, string>> = {
  "Jobs.Read": "See jobs of the tenants one is granted.",
  "Jobs.Submit": "Submit, cancel and requeue jobs of the tenants one is granted.",
  "Jobs.Admin": "Do everything, for every tenant, and grant tenants to others.",
};
export const ADMIN_ROLE: AppRole = "Jobs.Admin";

/** The same in every deployment, since assignments and consents refer to them. */
export const appRoleId = (value: AppRole): string => stableUuid("app-role", value);
export const userScopeId = (): string => stableUuid("scope", USER_SCOPE);

/** The Azure CLI, in every directory. https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in */
export const AZURE_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/** Where a command-line tool on somebody's machine is called back. */
export const PUBLIC_CLIENT_REDIRECTS = ["http://localhost"] as const;
