/**
 * The few calls of Azure's Blob service that this package makes, with the conditions that make them safe to repeat. It is
 * plain REST, as most services that one provisions: https://learn.microsoft.com/rest/api/storageservices/
 */

/** The part of a TokenCredential that is needed here. */
export interface Credential {
  getToken(scope: string): Promise<{ readonly token: string } | null>;
}

/** A value, and the version of it that a later write may name. */
export interface Versioned {
  readonly value: unknown;
  readonly etag: string;
}

export interface BlobStorage {
  /** False: it exists already. */
  createContainer(name: string): Promise<boolean>;
  /** Undefined: it exists already. */
  createJson(path: string, value: unknown): Promise<Versioned | undefined>;
  readJson(path: string): Promise<Versioned>;
  /** Replaces only this version. False: the blob has changed since. */
  replaceJson(path: string, value: unknown, etag: string): Promise<boolean>;
}

const SCOPE = "https://storage.azure.com/.default";
const API_VERSION = "2024-08-04";
const JSON_BLOB = { "content-type": "application/json", "x-ms-blob-type": "BlockBlob" };

export function openBlobStorage(url: string, credential: Credential, signal: AbortSignal): BlobStorage {
  /** Resolves for success and for the expected error codes; rejects for every other answer. */
  async function call(path: string, init: RequestInit, expected: readonly string[] = []): Promise<Response> {
    const token = await credential.getToken(SCOPE);
    if (token === null) throw new Error(`There is no token for ${SCOPE}.`);
    const headers = {
      ...{ authorization: `Bearer ${token.token}`, "x-ms-version": API_VERSION, "x-ms-date": new Date().toUTCString() },
      ...(init.headers as Readonly<Record<string, string>> | undefined),
    };
    const response = await fetch(`${url}/${path}`, { ...init, headers, signal });
    const code = response.headers.get("x-ms-error-code") ?? String(response.status);
    if (!response.ok && !expected.includes(code)) {
      await response.body?.cancel();
      throw new Error(`Storage answered ${init.method ?? "GET"} ${path} with ${response.status} ${code}.`);
    }
    return response;
  }
  const etagOf = ({ headers }: Response): string => headers.get("etag") ?? "";
  const put = (path: string, value: unknown, condition: Readonly<Record<string, string>>, expected: string) =>
    call(path, { method: "PUT", body: JSON.stringify(value), headers: { ...JSON_BLOB, ...condition } }, [expected]);

  return {
    async createContainer(name) {
      return (await call(`${name}?restype=container`, { method: "PUT" }, ["ContainerAlreadyExists"])).ok;
    },
    async createJson(path, value) {
      const response = await put(path, value, { "if-none-match": "*" }, "BlobAlreadyExists");
      return response.ok ? { value, etag: etagOf(response) } : undefined;
    },
    async readJson(path) {
      const response = await call(path, {});
      return { value: await response.json(), etag: etagOf(response) };
    },
    async replaceJson(path, value, etag) {
      return (await put(path, value, { "if-match": etag }, "ConditionNotMet")).ok;
    },
  };
}
