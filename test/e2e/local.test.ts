import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BatchView } from "../../runtime/core/http/views.ts";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { localClient } from "../../runtime/local/stack.ts";
import { type LocalApi, type LocalRun, apiOf, processesOf, startLocal } from "../support/processes/local-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const ROOT = join(import.meta.dirname, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const GIVEN = "packages-sample/financial-year-end";
const IMAGES = 25;
const JOBS = IMAGES + 1;

interface Result {
  readonly batchId: string;
  readonly submitted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly seconds: number;
}

const lastLine = ({ output }: LocalRun): Result => JSON.parse(output.stdout.trim().split("\n").at(-1) ?? "") as Result;

describe("npm start", () => {
  let home: TemporaryDirectory;
  beforeAll(async () => {
    home = await temporaryDirectory();
  });
  afterAll(() => home[Symbol.asyncDispose]());
  let result: Result;

  it("runs every sample to its end, copies the artifacts, prints one JSON line and leaves no process behind", async () => {
    await using run = startLocal(home.path, ["--once", "--json", "--port", "0"]);
    expect(await run.exited, run.output.stderr).toBe(0);
    expect(run.output.stdout.trim().split("\n").length).toBe(1);
    result = lastLine(run);
    expect(result).toMatchObject({ submitted: JOBS, succeeded: JOBS, failed: 0 });
    expect(processesOf(home.path)).toEqual([]);

    const artifacts = join(home.path, "artifacts", result.batchId);
    const upright = await sharp(join(artifacts, "camera-held-upright", "camera-held-upright-160.jpg")).metadata();
    expect(upright).toMatchObject({ format: "jpeg", height: 160 });
    expect(upright.width).toBeLessThan(160);
    expect(upright.orientation ?? 1).toBe(1);
    for (const [name, format] of [
      ["waves-1", "jpg"],
      ["waves-2", "png"],
      ["waves-3", "webp"],
    ] as const) {
      for (const size of [64, 160, 320]) {
        const { width, height } = await sharp(join(artifacts, name, `${name}-${size}.${format}`)).metadata();
        expect(Math.max(width, height)).toBe(size);
      }
    }
  });

  describe("a second time in the same folder", () => {
    let run: LocalRun;
    let api: LocalApi;
    beforeAll(async () => {
      run = startLocal(home.path, ["--port", "0"]);
      api = await apiOf(run, home.path);
    });
    afterAll(() => run[Symbol.asyncDispose]());

    it("lists what it did the first time", async () => {
      const { items } = await api.get<{ items: BatchView[] }>(`/batches?tenantName=demo`);
      expect(items.map(({ batchId }) => batchId)).toContain(result.batchId);
      const { counts } = await api.get<BatchView>(`/batches/${result.batchId}`);
      expect(counts).toMatchObject({ succeeded: JOBS, total: JOBS });
    });

    it("does not submit the samples again, and says how to", async () => {
      await run.says("Press Ctrl-C to stop");
      expect(run.output.stdout).toContain(`have run here before, as batch ${result.batchId}`);
      expect(run.output.stdout).toContain("npm start -- --demo");
      const { items } = await api.get<{ items: BatchView[] }>(`/batches?tenantName=demo`);
      expect(items.filter(({ batchName }) => batchName === "Demo").length).toBe(1);
    });

    it("lets nobody in without a token, and prints commands without a secret that sign in and run a job", async () => {
      for (const path of ["/v1/batches?tenantName=demo", "/v1/dead-letters", "/v1/nothing"]) {
        expect((await fetch(`${api.url}${path}`)).status).toBe(401);
      }
      await run.says("Press Ctrl-C to stop");
      const [, typed = ""] = /^Try next.*\n((?: {2}.*\n)+)/m.exec(run.output.stdout) ?? [];
      expect(run.output.stdout).not.toMatch(/secret/i);
      await using desk = await temporaryDirectory();
      const env = { PATH: `${BIN}:${process.env["PATH"] ?? ""}`, HOME: desk.path };
      // In the words that are printed: quotes, continued lines and all.
      const { stdout } = await promisify(execFile)("sh", ["-ec", typed], { cwd: ROOT, env });
      expect(stdout).toMatch(/^Signed in at .* for demo\.\nsucceeded after 1 attempt\n[^]*Demo/);
      await run.says(/✓ \S+ FinancialYearEnd FinancialYearEnd succeeded/);
    });

    it("shows a job that fails, with the reason, and its API leads from / to the documents", async () => {
      const client = await localClient(
        { apiUrl: api.url, issuer: { authority: api.authority, caFile: join(home.path, "identity/ca.pem") } },
        DEMO_APPLICATION,
      );
      await client.management.submitJob({
        ...{ tenantName: "demo", jobType: "FinancialYearEnd", jobName: "no such year" },
        ...{ jobProcessorPackageName: "financial-year-end.zip", parameters: { year: "x" } },
      });
      await run.says(/! \S+ FinancialYearEnd no such year failed: JobFailed: .*year/);
      expect(await (await fetch(`${api.url}/`)).text()).toContain('href="/docs"');
    });

    it("is refused while it runs there, and goes on", async () => {
      await using second = startLocal(home.path, ["--port", "0"]);
      expect(await second.exited).toBe(1);
      expect(second.output.stdout).toMatch(
        new RegExp(`Another Jobyard already runs in .* \\(process ${run.process.pid}, since `),
      );
      expect(existsSync(join(home.path, "storage"))).toBe(true);
      expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
    });

    it("ends with Ctrl-C, and leaves no process behind", async () => {
      run.process.kill("SIGINT");
      expect(await run.exited).toBe(0);
      expect(run.output.stdout).toMatch(/! Stopping\.[^]*✓ Stopped\. Data stays in /);
      expect(processesOf(home.path)).toEqual([]);
    });
  });

  it("without the samples, runs the packages it is given", async () => {
    await using other = await temporaryDirectory();
    await using run = startLocal(other.path, ["--port", "0", "--no-demo", "--packages", join(ROOT, GIVEN)]);
    await run.says("Press Ctrl-C to stop");
    expect(run.output.stdout).toContain("✓ Published financial-year-end.zip\n");
    expect(run.output.stdout).not.toMatch(/Submitted|thumbnails/);
    run.process.kill("SIGTERM");
    expect(await run.exited).toBe(0);
  });
});

describe("npm start says in one sentence what is in its way, and starts nothing", () => {
  async function refused(home: string, args: string[], sentence: RegExp): Promise<void> {
    await using run = startLocal(home, args);
    expect(await run.exited).toBe(1);
    const said = `${run.output.stdout}${run.output.stderr}`.trim();
    expect(said).toMatch(sentence);
    expect(said.split("\n").length).toBe(1);
    expect(processesOf(home)).toEqual([]);
  }

  it("a taken port", async () => {
    await using home = await temporaryDirectory();
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    await refused(home.path, ["--port", port], new RegExp(`Port ${port} is taken`));
    taken.close();
  });

  it("a folder that is none", async () => {
    await using home = await temporaryDirectory();
    const file = join(home.path, "file");
    await writeFile(file, "");
    await refused(join(file, "below"), [], /is not a folder/);
    expect(await readFile(file, "utf8")).toBe("");
  });

  it.each([
    ["the same port twice", ["--port", "8080", "--identity-port", "8080"], /--port and --identity-port are both 8080/],
    ["a folder without packages", ["--port", "0", "--packages", "/dev"], /\/dev holds no package/],
  ])("%s", async (_what, args, sentence) => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, args);
    expect(await run.exited).toBe(1);
    expect(run.output.stdout.trim().split("\n").at(-1)).toMatch(sentence);
    expect(processesOf(home.path)).toEqual([]);
  });

  it("an option it does not know", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--workers", "none"]);
    expect(await run.exited).toBe(1);
    expect(run.output.stderr).toMatch(/--workers.*whole number from 1 to 32/);
    await using other = startLocal(home.path, ["--identity-prot", "1"]);
    expect(await other.exited).toBe(1);
    expect(other.output.stderr).toMatch(/unknown option '--identity-prot'\n\(Did you mean --identity-port\?\)/);
  });
});
