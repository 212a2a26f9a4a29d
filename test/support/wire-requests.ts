/** Requests in their usual forms. */
import type { WireRequest } from "./wire.ts";

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
