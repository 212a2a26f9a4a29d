/** HTTP as it is sent: paths, headers and bodies unchanged, also malformed ones; and requests in their usual forms. */
import { Agent, request as httpRequest } from "node:http";
import type { SeenAnswer } from "./contract.ts";

export interface WireRequest {
  readonly method: string;
  /** Sent as it is. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Announced and never sent. */
  readonly announcedBytes?: number;
  /** Of an answer without end: resolves with the first piece, and leaves. */
  readonly firstPieceOnly?: boolean;
}

export interface WireAnswer extends SeenAnswer {
  /** In lower case, in the order they came. */
  readonly headerNames: readonly string[];
}

export interface Wire extends Disposable {
  /** Rejects when the whole answer is not there in time. */
  send(request: WireRequest): Promise<WireAnswer>;
}

const DEADLINE_MS = 15_000;

/** Connections are kept alive and shared by all requests. */
export function openWire(url: string, maxSockets = 8): Wire {
  const agent = new Agent({ keepAlive: true, maxSockets });
  const { hostname, port } = new URL(url);
  return {
    [Symbol.dispose]: () => agent.destroy(),
    send: ({ method, path, headers = {}, body, announcedBytes, firstPieceOnly = false }) =>
      new Promise((resolve, reject) => {
        const length = announcedBytes ?? (body === undefined ? undefined : Buffer.byteLength(body));
        const request = httpRequest({
          agent: announcedBytes === undefined ? agent : false,
          hostname,
          port,
          method,
          path,
          headers: { ...headers, ...(length !== undefined && { "content-length": String(length) }) },
          signal: AbortSignal.timeout(DEADLINE_MS),
        });
        request.on("error", reject);
        request.on("response", (response) => {
          const chunks: Uint8Array[] = [];
          const done = (): void => {
            if (announcedBytes !== undefined || firstPieceOnly) request.destroy();
            resolve({
              status: response.statusCode ?? 0,
              headers: { get: (name) => response.headers[name.toLowerCase()]?.toString() ?? null },
              headerNames: Object.keys(response.headers),
              text: Buffer.concat(chunks).toString(),
              byteCount: Buffer.concat(chunks).byteLength,
            });
          };
          response.on("data", (chunk: Uint8Array) => {
            chunks.push(chunk);
            if (firstPieceOnly) done();
          });
          response.on("error", reject);
          response.on("end", done);
        });
        if (announcedBytes === undefined) request.end(body);
        else request.flushHeaders();
      }),
  };
}

export const JSON_TYPE = { "content-type": "application/json" };

export const get = (path: string): WireRequest => ({ method: "GET", path });

export const post = (path: string, body: unknown = {}, headers: Record<string, string> = {}): WireRequest => ({
  method: "POST",
  path,
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(body),
});

export const put = (path: string, body: string | Uint8Array, type = "application/json"): WireRequest => ({
  method: "PUT",
  path,
  headers: { "content-type": type },
  body,
});

export const del = (path: string): WireRequest => ({ method: "DELETE", path });
