import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { ROOT } from "../../support/docs/document-tables.ts";

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs the API's program until it exits. */
const runApi = (env: Readonly<Record<string, string>>): Promise<Ended> =>
  new Promise((resolve) => {
    const args = [join(ROOT, "runtime/main/start.mjs"), "api"];
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env } };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1,
        output: stdout + stderr,
      });
    });
  });

describe("the API's program", () => {
  it.each(["0.0.0.0", "::", "192.168.0.10"])(
    "the API does not listen on %s without authentication",
    { tags: "attack/hosts" },
    async (host) => {
      const { code, output } = await runApi({
        [SETTING.auth]: "none",
        [SETTING.apiHost]: host,
        [SETTING.storageConnectionString]: "UseDevelopmentStorage=true",
        [SETTING.serviceBusConnectionString]: "Endpoint=sb://127.0.0.1;SharedAccessKeyName=a;SharedAccessKey=b",
      });
      expect(code).toBeGreaterThan(0);
      expect(output).toContain("without authentication the API accepts only loopback addresses");
    },
  );

  it("the API does not start without settings for its tokens", async () => {
    const { code, output } = await runApi({
      [SETTING.storageConnectionString]: "UseDevelopmentStorage=true",
      [SETTING.serviceBusConnectionString]: "Endpoint=sb://127.0.0.1;SharedAccessKeyName=a;SharedAccessKey=b",
    });
    expect(code).toBeGreaterThan(0);
    expect(output).toContain("JOBYARD_AUTH_TENANT_ID is not set");
  });
});
