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
