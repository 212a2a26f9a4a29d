/**
 * Requests to this machine must not use a proxy, because the proxy would send them to itself. `fetch`, Node's `http`,
 * the Azure SDKs and gRPC read the environment in different spellings, so this file sets all of them. It is plain
 * JavaScript, because programs call it before they load anything else.
 */
import http from "node:http";

const LOOPBACK = ["127.0.0.1", "localhost", "::1", "[::1]"];

/** Lets every client of this process reach this machine without a proxy, also if the environment sets one. */
export function keepLoopbackDirect() {
  const { env } = process;
  // `fetch` and gRPC prefer the lower case, the Azure SDKs the upper case. Both get the same value.
  const given = [env.no_proxy, env.NO_PROXY].flatMap((list) => (list ?? "").split(/[\s,]+/)).filter(Boolean);
  const list = [...new Set([...given, ...LOOPBACK])].join(",");
  env.NO_PROXY = list;
  // A star works only if it is the whole value, and the Azure SDKs do not support it.
  env.no_proxy = given.includes("*") ? "*" : list;
  // With NODE_USE_ENV_PROXY, Node reads the environment before this code runs.
  if (http.globalAgent.options?.proxyEnv !== undefined) http.setGlobalProxyFromEnv?.(env);
}
