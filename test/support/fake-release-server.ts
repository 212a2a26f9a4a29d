/**
 * Where a machine fetches its code: the container of releases, readable with a token only, and the archive of Node. Tests
 * decide what is there, and what goes wrong.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { RELEASES } from "../../runtime/core/deployment/storage-layout.ts";

export interface FakeReleaseServer extends AsyncDisposable {
  /** Of the container. */
  readonly releasesUrl: string;
  readonly nodeUrl: string;
  /** Paths of answered requests, with their status. */
  readonly requests: readonly string[];
  /** Puts a package there and points to it; resolves to its version. `sha256`: what the pointer claims instead. */
  release(zip: Uint8Array, claims?: { readonly sha256?: string; readonly version?: string }): string;
  /** Takes the pointer away, as in the moment between two. */
  removePointer(): void;
  /** Replaces the pointer's text. */
  point(text: string): void;
  /** The next answers to requests for a path that contains the text. */
  fail(part: string, ...statuses: readonly number[]): void;
}

export async function startFakeReleaseServer(
  nodeArchive: Uint8Array,
  isToken: (token: string) => boolean,
): Promise<FakeReleaseServer> {
  const blobs = new Map<string, Uint8Array>([["/node", nodeArchive]]);
  const faults: { readonly part: string; readonly statuses: number[] }[] = [];
  const requests: string[] = [];
  const pointer = `/${RELEASES.container}/${RELEASES.workerPointer}`;

  function statusOf(path: string, authorization: string | undefined): number {
    const fault = faults.find(({ part, statuses }) => path.includes(part) && statuses.length > 0)?.statuses.shift();
    if (fault !== undefined) return fault;
    if (path !== "/node" && !isToken(authorization?.replace("Bearer ", "") ?? "")) return 401;
    return blobs.has(path) ? 200 : 404;
  }

  const server = createServer((incoming, answer) => {
    const path = incoming.url ?? "";
    // Without a version the service does not take tokens.
    const status =
      incoming.headers["x-ms-version"] === undefined ? 400 : statusOf(path, incoming.headers.authorization);
    requests.push(`${status} ${path}`);
    answer.writeHead(status).end(status === 200 ? blobs.get(path) : "<Error/>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The fake server has no port.");
  const url = `http://127.0.0.1:${address.port}`;
  const point = (text: string): void => void blobs.set(pointer, Buffer.from(text));
  return {
    releasesUrl: `${url}/${RELEASES.container}`,
    nodeUrl: `${url}/node`,
    requests,
    release(zip, claims = {}) {
      const sha256 = createHash("sha256").update(zip).digest("hex");
      const blob = `worker/${sha256}.zip`;
      const version = claims.version ?? sha256.slice(0, 12);
      blobs.set(`/${RELEASES.container}/${blob}`, zip);
      point(JSON.stringify({ version, blob, sha256: claims.sha256 ?? sha256 }));
      return version;
    },
    removePointer: () => void blobs.delete(pointer),
    point,
    fail: (part, ...statuses) => void faults.push({ part, statuses: [...statuses] }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
