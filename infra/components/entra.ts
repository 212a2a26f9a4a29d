/** The Entra applications: the API with its roles and scope, and the public client that people sign in with. */
import * as pulumi from "@pulumi/pulumi";
import * as azuread from "@pulumi/azuread";
import { USER_SCOPE } from "../../runtime/core/http/auth-facts.ts";
import { APP_ROLES } from "../../runtime/core/http/access.ts";
import {
  ADMIN_ROLE,
  appRoleId,
  AZURE_CLI_CLIENT_ID,
  PUBLIC_CLIENT_REDIRECTS,
  ROLE_DESCRIPTIONS,
  userScopeId,
} from "../plan/entra.ts";

export interface EntraApplicationsArgs {
  /** The name on the pages where people sign in and consent. */
  readonly displayName: string;
  /** The first owner of the registrations: the deployer, who could not change them otherwise. */
  readonly ownerObjectId: pulumi.Input<string>;
  /** Users and groups that get Jobs.Admin. */
  readonly adminObjectIds: readonly string[];
  /** Whether `az account get-access-token` returns tokens for the API without a consent prompt. */
  readonly allowAzureCli: boolean;
}

export class EntraApplications extends pulumi.ComponentResource {
  readonly clientId: pulumi.Output<string>;
  readonly publicClientId: pulumi.Output<string>;
  readonly #publicApplicationId: pulumi.Output<string>;

  constructor(name: string, args: EntraApplicationsArgs, options?: pulumi.ComponentResourceOptions) {
    super("jobyard:infra:EntraApplications", name, {}, options);
    const child = { parent: this };
    const owners = [args.ownerObjectId];
    // Another person may run the next `pulumi up`. People manage the owners after the first one.
    const owned = { ...child, ignoreChanges: ["owners"] };

    const api = new azuread.Application(
      `${name}-api`,
      {
        displayName: args.displayName,
        signInAudience: "AzureADMyOrg",
        owners,
        api: {
          requestedAccessTokenVersion: 2,
          oauth2PermissionScopes: [
            {
              id: userScopeId(),
              value: USER_SCOPE,
              type: "User",
              enabled: true,
              adminConsentDisplayName: "Use Jobyard",
              adminConsentDescription: "Use the job API as the signed-in user, with that user's roles.",
              userConsentDisplayName: "Use Jobyard",
              userConsentDescription: "Use the job API as you, with your roles.",
            },
          ],
        },
        appRoles: APP_ROLES.map((value) => ({
          id: appRoleId(value),
          value,
          displayName: value,
          description: ROLE_DESCRIPTIONS[value],
          enabled: true,
          allowedMemberTypes: ["User", "Application"],
        })),
      },
      // Set below, because the URI contains the id that the application gets here.
      { ...child, ignoreChanges: ["owners", "identifierUris"] },
    );
    new azuread.ApplicationIdentifierUri(
      `${name}-api-uri`,
      { applicationId: api.id, identifierUri: pulumi.interpolate`api://${api.clientId}` },
      child,
    );
    const principal = new azuread.ServicePrincipal(
      `${name}-api-principal`,
      // Only callers with a role get a token.
      { clientId: api.clientId, owners, appRoleAssignmentRequired: true },
      owned,
    );
    for (const principalObjectId of args.adminObjectIds) {
      new azuread.AppRoleAssignment(
        `${name}-admin-${principalObjectId}`,
        { appRoleId: appRoleId(ADMIN_ROLE), principalObjectId, resourceObjectId: principal.objectId },
        child,
      );
    }

    const client = new azuread.Application(
      `${name}-client`,
      {
        displayName: `${args.displayName} sign-in`,
        signInAudience: "AzureADMyOrg",
        owners,
        // For the device code flow, a client that cannot keep a secret must be marked as public.
        fallbackPublicClientEnabled: true,
        publicClient: { redirectUris: [...PUBLIC_CLIENT_REDIRECTS] },
        requiredResourceAccesses: [
          { resourceAppId: api.clientId, resourceAccesses: [{ id: userScopeId(), type: "Scope" }] },
        ],
      },
      // allowPages sets the addresses of the pages after the API has one.
      { ...child, ignoreChanges: ["owners", "singlePageApplication"] },
    );
    new azuread.ServicePrincipal(`${name}-client-principal`, { clientId: client.clientId, owners }, owned);
    // Users need not consent to this client's use of the API.
    new azuread.ApplicationPreAuthorized(
      `${name}-client-preauthorized`,
      { applicationId: api.id, authorizedClientId: client.clientId, permissionIds: [userScopeId()] },
      child,
    );
    if (args.allowAzureCli) {
      new azuread.ApplicationPreAuthorized(
        `${name}-azure-cli-preauthorized`,
        { applicationId: api.id, authorizedClientId: AZURE_CLI_CLIENT_ID, permissionIds: [userScopeId()] },
        child,
      );
    }

    this.clientId = api.clientId;
    this.publicClientId = client.clientId;
    this.#publicApplicationId = client.id;
    this.registerOutputs({ clientId: this.clientId, publicClientId: this.publicClientId });
  }

  /** Lets people sign in from these pages. It is separate, because the API's address depends on its app's settings. */
  allowPages(name: string, redirectUris: readonly pulumi.Input<string>[]): void {
    new azuread.ApplicationRedirectUris(
      `${name}-client-pages`,
      { applicationId: this.#publicApplicationId, type: "SPA", redirectUris: [...redirectUris] },
      { parent: this },
    );
  }
}
