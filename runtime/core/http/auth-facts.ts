/** Public facts about signing in: a client without a token learns here where to get one. */
import * as z from "zod";

/** The only delegated permission. A user's token must have this scope. */
export const USER_SCOPE = "access_as_user";

/** Microsoft's public cloud. National clouds have hosts of their own. */
export const DEFAULT_AUTHORITY = "https://login.microsoftonline.com";

/** How the API identifies its callers. `none`: it does not, and serves this machine only. */
export type AuthSettings =
  | { readonly kind: "none" }
  | {
      readonly kind: "entra";
      /** Address of the issuer without the tenant, such as https://login.microsoftonline.com. */
      readonly authority: string;
      /** The directory whose users and applications may sign in. */
      readonly tenantId: string;
      /** Client id of the API's own app registration. */
      readonly clientId: string;
      /** Application ID URIs accepted as audience besides the client id and `api://{clientId}`. */
      readonly audiences: readonly string[];
      /** Client id of the registration that CLI and pages sign in with. */
      readonly publicClientId: string | undefined;
      /** Certificate to trust for the authority; only for one on this machine. */
      readonly caFile: string | undefined;
      /** Address of the same issuer for web pages, which cannot be told to trust a certificate; on this machine only. */
      readonly pageAuthority: string | undefined;
    };

export type EntraSettings = Extract<AuthSettings, { kind: "entra" }>;

/** The answer of `GET /v1/auth`. */
export const authFactsSchema = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("none") }).meta({
      id: "NoAuth",
      description: "The API does not know its callers; it serves its own machine only.",
    }),
    z
      .object({
        kind: z.literal("entra"),
        authority: z.string().meta({ description: "Address of the issuer, without the directory." }),
        tenantId: z
          .string()
          .meta({ description: "The Entra tenant (directory) whose users and applications may come." }),
        clientId: z.string().meta({ description: "Of the API's own registration." }),
        audience: z.string().meta({ description: "What a token must be for." }),
        userScope: z.string().meta({ description: "What a client asks for on behalf of a user." }),
        applicationScope: z.string().meta({ description: "What an application asks for with its own credentials." }),
        publicClientId: z.string().optional().meta({ description: "The registration users sign in with." }),
        pageAuthority: z.string().optional().meta({
          description: "Address of the issuer for web pages, when it is another one: of the local system only.",
        }),
      })
      .meta({ id: "EntraAuth" }),
  ])
  .meta({ id: "AuthFacts", description: "How to sign in." });
export type AuthFacts = z.infer<typeof authFactsSchema>;

/** The Application ID URI that Entra proposes, and that scopes start with. */
const appIdUri = (clientId: string): string => `api://${clientId}`;

/** Every audience a token for this API may name: v2 tokens have the client id, v1 tokens either form. */
export const audiencesOf = ({ clientId, audiences }: EntraSettings): readonly string[] => [
  ...new Set([clientId, appIdUri(clientId), ...audiences]),
];

/** The issuer's own description: the v2 endpoint of the tenant. */
export const metadataUrlOf = ({ authority, tenantId }: EntraSettings): string =>
  `${issuerOf({ authority, tenantId })}/.well-known/openid-configuration`;

/** The `iss` of v2 tokens. */
export const issuerOf = ({ authority, tenantId }: Pick<EntraSettings, "authority" | "tenantId">): string =>
  `${authority}/${tenantId}/v2.0`;

export function authFacts(settings: AuthSettings): AuthFacts {
  if (settings.kind === "none") return { kind: "none" };
  const { authority, tenantId, clientId, publicClientId, pageAuthority } = settings;
  const audience = appIdUri(clientId);
  return {
    kind: "entra",
    authority,
    tenantId,
    clientId,
    audience,
    userScope: `${audience}/${USER_SCOPE}`,
    applicationScope: `${audience}/.default`,
    ...(publicClientId !== undefined && { publicClientId }),
    ...(pageAuthority !== undefined && { pageAuthority }),
  };
}
