/** What the API's app registration offers: the roles and the scope that the API's tokens carry. */
import { stableUuid } from "./stable-id.ts";

export interface AppRole {
  readonly value: string;
  readonly description: string;
}

/** For users and for applications alike. */
export const APP_ROLES: readonly AppRole[] = [
  { value: "Jobs.Submit", description: "Submit, cancel and requeue jobs of the tenants one is granted." },
  { value: "Jobs.Read", description: "See jobs of the tenants one is granted." },
  { value: "Jobs.Admin", description: "Do everything, for every tenant, and grant tenants to others." },
];
export const ADMIN_ROLE = "Jobs.Admin";

/** The one delegated permission; a user's roles decide the rest. */
export const USER_SCOPE = "access_as_user";

/** The same in every deployment, since assignments and consents refer to them. */
export const appRoleId = (value: string): string => stableUuid("app-role", value);
export const userScopeId = (): string => stableUuid("scope", USER_SCOPE);

/** Where a command-line tool on somebody's machine is called back. */
export const PUBLIC_CLIENT_REDIRECTS = ["http://localhost"] as const;
