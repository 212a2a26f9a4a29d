/** The ids and texts of the API's roles and scope for its app registration. */
import { USER_SCOPE } from "../../runtime/core/http/auth-facts.ts";
import type { AppRole } from "../../runtime/core/http/access.ts";
import { stableUuid } from "./stable-id.ts";

/** Shown to administrators who assign the roles. */
export const ROLE_DESCRIPTIONS: Readonly<Record<AppRole, string>> = {
  "Jobs.Read": "Read jobs of granted tenants.",
  "Jobs.Submit": "Submit, cancel and requeue jobs of granted tenants.",
  "Jobs.Admin": "Full access to every tenant, and to tenants and grants.",
};
export const ADMIN_ROLE: AppRole = "Jobs.Admin";

/** The same in every deployment, because assignments and consents refer to them. */
export const appRoleId = (value: AppRole): string => stableUuid("app-role", value);
export const userScopeId = (): string => stableUuid("scope", USER_SCOPE);

/** The Azure CLI, in every directory. https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in */
export const AZURE_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/** The redirect address of a command-line tool on a user's machine. */
export const PUBLIC_CLIENT_REDIRECTS = ["http://localhost"] as const;
