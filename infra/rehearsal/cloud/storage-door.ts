/**
 * The front of the storage accounts. It checks network rules, token and role of every request, and forwards allowed
 * requests to Azurite. An account can stop answering for a while.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { forward, hostOf, readBody } from "./http.ts";
import type { Access, Action } from "./access.ts";
import type { Estate, RecordedAccount } from "./estate.ts";
import { subnetOf } from "./addresses.ts";
import type { Tokens } from "./tokens.ts";

export interface StorageDoor {
  /** Whether this host is one of the accounts. */
  serves(host: string): boolean;
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** From now on the account accepts requests and answers none. Call the returned function to end that. */
  silence(account: string): () => void;
}

export interface StorageDoorDeps {
  readonly estate: Pick<Estate, "accounts" | "subnets">;
  readonly access: Access;
  readonly tokens: Tokens;
  readonly blobPort: number;
  readonly tablePort: number;
}

const AUDIENCE = "https://storage.azure.com";
const HOST = /^([a-z0-9]+)\.(blob|table)\.core\.windows\.net$/;
const READS: readonly string[] = ["GET", "HEAD"];

export function createStorageDoor({ estate, access, tokens, blobPort, tablePort }: StorageDoorDeps): StorageDoor {
  const silent = new Map<string, AbortController>();

  const placeOf = (host: string): { account: RecordedAccount; service: string } | undefined => {
    const [, name, service] = HOST.exec(host) ?? [];
    const account = estate.accounts.find((one) => one.name === name);
    return account && service !== undefined ? { account, service } : undefined;
  };

  return {
    serves: (host) => placeOf(host) !== undefined,

    silence(account) {
      const controller = new AbortController();
      silent.set(account, controller);
      return () => {
        silent.delete(account);
        controller.abort();
      };
    },

    async handle(request, response) {
      const place = placeOf(hostOf(request));
      if (place === undefined) throw new RangeError(`The account ${hostOf(request)} does not exist.`);
      const { account, service } = place;
      const quiet = silent.get(account.name)?.signal;
      if (quiet !== undefined) {
        await once(quiet, "abort");
        response.destroy();
        return;
      }
      const refuse = (code: string): void => {
        // So that the connection stays usable.
        request.resume();
        response.writeHead(403, { "x-ms-error-code": code, "content-type": "application/json" });
        const message = { lang: "en-us", value: "This request is not authorized to perform this operation." };
        response.end(JSON.stringify({ "odata.error": { code, message } }));
      };

      const subnetId = subnetOf(estate.subnets, request.socket.remoteAddress ?? "");
      if (account.subnetIds !== undefined && !account.subnetIds.includes(subnetId ?? "")) {
        access.deny(request.socket.remoteAddress ?? "unknown", "network", account.id);
        refuse("AuthorizationFailure");
        return;
      }
      const url = new URL(request.url ?? "/", "https://storage");
      const body = service === "table" ? await readBody(request) : undefined;
      const { action, resourceId } = intentOf(account, service, request.method ?? "", url, body);
      const principalId = tokens.principalOf(request.headers.authorization, AUDIENCE);
      if (principalId === undefined) {
        access.deny("without a usable token", action, resourceId);
        response.writeHead(401, { "x-ms-error-code": "InvalidAuthenticationInfo" }).end();
        return;
      }
      if (!access.allows(principalId, action, resourceId)) {
        refuse("AuthorizationPermissionMismatch");
        return;
      }
      if (body === undefined) forward(request, response, { host: "127.0.0.1", port: blobPort, secure: true });
      else forward(request, response, tableRequest(request, account.name, tablePort, body));
    },
  };
}

function intentOf(
  account: RecordedAccount,
  service: string,
  method: string,
  url: URL,
  body: Buffer | undefined,
): { readonly action: Action; readonly resourceId: string } {
  const path = decodeURIComponent(url.pathname);
  if (service === "blob") {
    const container = path.split("/")[1] ?? "";
    const action = READS.includes(method) ? "blob.read" : "blob.write";
    return { action, resourceId: `${account.id}/blobServices/default/containers/${container}` };
  }
  // A transaction names its table in the addresses of its parts. All parts have the same table.
  const place = path === "/$batch" ? /https:\/\/[^/]+(\/[A-Za-z0-9]+)/.exec(body?.toString("latin1") ?? "")?.[1] : path;
  const table = /^\/(?:Tables\(')?([A-Za-z0-9]+)/.exec(place ?? "")?.[1] ?? "";
  const action = READS.includes(method) ? "table.read" : "table.write";
  return { action, resourceId: `${account.id}/tableServices/default/tables/${table}` };
}

/** Azurite answers transactions under the account's path, not under its host name. */
function tableRequest(request: IncomingMessage, account: string, port: number, body: Buffer) {
  const here = `127.0.0.1:${port}`;
  const isBatch = request.url?.startsWith("/$batch") === true;
  const text = (): Buffer =>
    Buffer.from(
      body.toString("latin1").replaceAll(`https://${hostOf(request)}/`, `https://${here}/${account}/`),
      "latin1",
    );
  return {
    host: "127.0.0.1",
    port,
    secure: true,
    path: `/${account}${request.url ?? "/"}`,
    headers: { host: here },
    body: isBatch ? text() : body,
  };
}
