/**
 * What runs on this machine is never asked for through a proxy: it would look for it on its own machine. The rule is here
 * once, for `fetch`, Node's `http`, the Azure SDKs and gRPC, which read the environment in different spellings.
 * Plain JavaScript, because programs call it before they load anything else.
 */
import http from "node:http";

const LOOPBACK = ["127.0.0.1", "localhost", "::1", "[::1]"];

/** Makes every client of this process reach this machine without a proxy, whatever the environment says. */
export function keepLoopbackDirect() {
  const { env } = process;
  // `fetch` and gRPC prefer the lower case, the Azure SDKs the upper: both say the same afterwards.
  const given = [env.no_proxy, env.NO_PROXY].flatMap((list) => (list ?? "").split(/[\s,]+/)).filter(Boolean);
  const list = [...new Set([...given, ...LOOPBACK])].join(",");
  env.NO_PROXY = list;
  // A star means everything only where it stands alone, and the Azure SDKs do not know it.
  env.no_proxy = given.includes("*") ? "*" : list;
  // With NODE_USE_ENV_PROXY, Node has read the environment before this process could change it.
  if (http.globalAgent.options?.proxyEnv !== undefined) http.setGlobalProxyFromEnv?.(env);
}
