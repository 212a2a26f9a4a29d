/**
 * A service that names an issuer, and an issuer: everything either is sent is noted, so that a test sees where secrets
 * went.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import type { EntraFacts } from "../../../runtime/client/index.ts";

const DIRECTORY = "11111111-1111-4111-8111-111111111111";
const API_CLIENT = "22222222-2222-4222-8222-222222222222";

export const factsOf = (authority: string, changes: Partial<EntraFacts> = {}): EntraFacts => ({
  kind: "entra",
  authority,
  tenantId: DIRECTORY,
  clientId: API_CLIENT,
  audience: `api://${API_CLIENT}`,
  userScope: `api://${API_CLIENT}/access_as_user`,
  applicationScope: `api://${API_CLIENT}/.default`,
  publicClientId: "33333333-3333-4333-8333-333333333333",
  ...changes,
});

export interface EntraService extends AsyncDisposable {
  readonly url: string;
  /** What `GET /v1/auth` answers; may be changed. */
  facts: object;
  /** Of the issuer's metadata; may be changed. */
  tokenEndpoint: string;
  /** Where the token endpoint sends its callers on to. */
  redirectTo: string | undefined;
  /** Method, path, authorization and body of each request. */
  readonly seen: string[];
}

/** Both at one address, over http on loopback. */
export async function startEntraService(): Promise<EntraService> {
  const seen: string[] = [];
  const server = createServer((request, response) => void answer(request, response));
  const url = await listen(server);
  const service: EntraService = {
    url,
    facts: factsOf(url),
    tokenEndpoint: `${url}/token`,
    redirectTo: undefined,
    seen,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const path = request.url ?? "";
    seen.push([request.method, path, request.headers.authorization ?? "", body].join(" "));
    if (path === "/token" && service.redirectTo !== undefined) {
      response.writeHead(307, { location: service.redirectTo }).end();
      return;
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(bodyOf(path)));
  }

  function bodyOf(path: string): object {
    if (path === "/v1/auth") return service.facts;
    if (path === "/token") return { access_token: "issued-token", expires_in: 3_600, refresh_token: "refresh-2" };
    if (path === "/v1/me") return { name: "Ada", kind: "user", roles: [], allTenants: true, grants: [] };
    return { token_endpoint: service.tokenEndpoint, device_authorization_endpoint: `${url}/device` };
  }

  return service;
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`);
    });
  });
}
