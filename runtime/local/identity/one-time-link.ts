/** The link that `npm start` prints: it signs a user of the local issuer in to the dashboard, once and within minutes. */
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { USER_SCOPE } from "../../core/http/auth-facts.ts";
import { issuerFetch, type LocalIssuer } from "./issuer-client.ts";
import { ADMIN_APPLICATION, API_CLIENT_ID, DIRECTORY_ID, USERS, type LocalUser } from "./principals.ts";

/** Sees every tenant, and the workers. */
const [DEVELOPER] = USERS as readonly [LocalUser, ...LocalUser[]];
/** The name that `web/data/sign-in.ts` looks for. */
const PARAMETER = "one-time";

export interface DashboardPlace {
  readonly apiUrl: string;
  readonly issuer: LocalIssuer;
}

/** In the fragment, which no server sees and no log has: the code, and the proof that it is this link's. */
export async function oneTimeLink({ apiUrl, issuer }: DashboardPlace): Promise<string> {
  const proof = randomBytes(16).toString("base64url");
  const fetch = issuerFetch(issuer.authority, await readFile(issuer.caFile, "utf8"));
  const response = await fetch(`${issuer.authority}/${DIRECTORY_ID}/one-time-code`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      client_id: ADMIN_APPLICATION.clientId,
      client_secret: ADMIN_APPLICATION.secret,
      login: DEVELOPER.userName,
      redirect_uri: `${apiUrl}/`,
      scope: `api://${API_CLIENT_ID}/${USER_SCOPE} openid offline_access profile`,
      nonce: proof,
      code_challenge: createHash("sha256").update(proof).digest("base64url"),
    }).toString(),
  });
  const { code } = (await response.json()) as { readonly code?: string };
  if (code === undefined) throw new Error(`The local issuer gave no code: status ${response.status}.`);
  return `${apiUrl}/#${PARAMETER}=${code}.${proof}`;
}
