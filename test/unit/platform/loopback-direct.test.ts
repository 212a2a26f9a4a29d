import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const ASKS = fileURLToPath(new URL("asks-loopback.mjs", import.meta.url));
/** A port without a listener. */
const PROXY = "http://127.0.0.1:9";
const DIRECT = "fetch: direct\nfetch by name: direct\nhttp: direct\nazure: direct\n";

it.each<Record<string, string>>([
  { HTTP_PROXY: PROXY },
  { http_proxy: PROXY, no_proxy: "intranet" },
  { HTTPS_PROXY: PROXY, ALL_PROXY: PROXY, NO_PROXY: "" },
  { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: PROXY, http_proxy: PROXY },
  { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: PROXY, no_proxy: "intranet", NO_PROXY: "elsewhere" },
  { NODE_OPTIONS: "--use-env-proxy", http_proxy: PROXY, NO_PROXY: "*" },
])("requests to this machine bypass the proxy: %j", async (environment) => {
  const env = { PATH: process.env["PATH"], ...environment };
  const { stdout } = await promisify(execFile)(process.execPath, [ASKS], { env });
  expect(stdout).toBe(DIRECT);
});
