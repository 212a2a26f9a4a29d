import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { BatchView, JobView } from "../../runtime/core/views.ts";
import { ADMIN_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { signInAs, type Authorize } from "../../runtime/local/identity/token-client.ts";
import { processesOf, startLocal, type LocalRun } from "../support/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

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

/** The API as somebody who may everything. */
interface Api {
  readonly url: string;
  get<T>(path: string): Promise<T>;
}

/** Signs in at the issuer the API names, once the API is there. */
async function apiOf(run: LocalRun, home: string): Promise<Api> {
  const [, url = ""] = await run.says(/Running at (http:\S+)/);
  const { authority } = (await (await fetch(`${url}/v1/auth`)).json()) as { authority: string };
  const authorize: Authorize = signInAs(ADMIN_APPLICATION, { authority, caFile: join(home, "identity", "ca.pem") });
  return {
    url,
    async get<T>(path: string) {
      const response = await fetch(`${url}/v1${path}`, { headers: { authorization: await authorize() } });
      return (await response.json()) as T;
    },
  };
}

async function jobsOf(api: Api, batchId: string): Promise<readonly JobView[]> {
  const { items } = await api.get<{ items: JobView[] }>(`/batches/${batchId}/jobs?pageSize=1000`);
  return items;
}

describe("npm start", () => {
  it("runs every sample to its end, copies the artifacts, prints one JSON line and leaves no process behind", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--once", "--json", "--port", "0"]);
    expect(await run.exited, run.output.stderr).toBe(0);
    expect(run.output.stdout.trim().split("\n").length).toBe(1);
    const result = lastLine(run);
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

  it("keeps what it did: a second start lists the earlier batch", async () => {
    await using home = await temporaryDirectory();
    await using first = startLocal(home.path, ["--once", "--json", "--port", "0", "--workers", "1"]);
    expect(await first.exited, first.output.stderr).toBe(0);
    const { batchId } = lastLine(first);

    await using second = startLocal(home.path, ["--port", "0"]);
    const api = await apiOf(second, home.path);
    const { items } = await api.get<{ items: BatchView[] }>(`/batches?tenantName=demo`);
    expect(items.map((batch) => batch.batchId)).toContain(batchId);
    const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
    expect(counts).toMatchObject({ succeeded: JOBS, total: JOBS });
    await second.says("Press Ctrl-C to stop");
    second.process.kill("SIGINT");
    expect(await second.exited).toBe(0);
    expect(processesOf(home.path)).toEqual([]);
  });

  it.each(["worker-1", "bus", "api", "identity"])(
    "finishes every job exactly once although %s is killed in the middle",
    async (program) => {
      await using home = await temporaryDirectory();
      await using run = startLocal(home.path, ["--port", "0"], { JOBYARD_LOCK_SECONDS: "5" });
      const api = await apiOf(run, home.path);
      const [, batchId] = await run.says(/as batch (\S+)/);
      await expect.poll(() => runningIn(api, batchId!), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
      process.kill(run.programs().get(program)!, "SIGKILL");
      await run.says(`${program} ended (SIGKILL); starting it again`);
      await run.says("Press Ctrl-C to stop");

      const jobs = await jobsOf(api, batchId!);
      expect(jobs.length).toBe(JOBS);
      for (const { state, history } of jobs) {
        expect(state).toBe("succeeded");
        expect(history.filter(({ outcome }) => outcome === "succeeded").length).toBe(1);
        expect(history.filter(({ outcome }) => outcome === "failed").length).toBe(0);
      }
      const { counts } = await api.get<BatchView>(`/batches/${batchId!}`);
      expect(counts).toMatchObject({ succeeded: JOBS, total: JOBS });
      run.process.kill("SIGTERM");
      expect(await run.exited).toBe(0);
      expect(processesOf(home.path)).toEqual([]);
    },
  );

  it("gives a killed worker's jobs back as soon as it runs again, long before their locks end", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--port", "0", "--workers", "1"]);
    const api = await apiOf(run, home.path);
    const [, batchId] = await run.says(/as batch (\S+)/);
    await expect.poll(() => runningIn(api, batchId!), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
    process.kill(run.programs().get("worker-1")!, "SIGKILL");
    const killedAt = performance.now();
    await run.says("Press Ctrl-C to stop");
    // The lock lasts 60 s: whoever waits for it cannot be done by then.
    expect(performance.now() - killedAt).toBeLessThan(55_000);
    const interrupted = (await jobsOf(api, batchId!)).filter(({ interruptions }) => interruptions > 0);
    expect(interrupted.length).toBeGreaterThan(0);
    for (const { state, attempts } of interrupted)
      expect({ state, attempts }).toEqual({ state: "succeeded", attempts: 1 });
  });

  it("lets nobody in without a token, and prints the lines that get one", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--port", "0"]);
    const { url } = await apiOf(run, home.path);
    for (const path of ["/v1/batches?tenantName=demo", "/v1/dead-letters", "/v1/nothing"]) {
      expect((await fetch(`${url}${path}`)).status).toBe(401);
    }
    await run.says("Press Ctrl-C to stop");
    const [, token = ""] = /^ {2}(TOKEN=[^]*?access_token'\))$/m.exec(run.output.stdout) ?? [];
    const [list = ""] = /curl -H .*\/v1\/batches\?.*$/m.exec(run.output.stdout) ?? [];
    const listed = execFileSync("sh", ["-c", `${token}\n${list}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect((JSON.parse(listed) as { items: BatchView[] }).items.map(({ batchName }) => batchName)).toEqual(["Demo"]);
    run.process.kill("SIGTERM");
    expect(await run.exited).toBe(0);
  });

  it("takes everything down with it when it is itself killed", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--port", "0"]);
    await apiOf(run, home.path);
    run.process.kill("SIGKILL");
    await run.exited;
    await expect.poll(() => processesOf(home.path), { timeout: 30_000 }).toEqual([]);
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

  it("a folder in use by another one", async () => {
    await using home = await temporaryDirectory();
    await mkdir(home.path, { recursive: true });
    await using run = startLocal(home.path, ["--port", "0"]);
    await apiOf(run, home.path);
    await using second = startLocal(home.path, ["--port", "0"]);
    expect(await second.exited).toBe(1);
    expect(second.output.stdout).toMatch(/Another Jobyard already runs in/);
    run.process.kill("SIGTERM");
    await run.exited;
    expect(existsSync(join(home.path, "storage"))).toBe(true);
  });

  it("an option it does not know", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--workers", "none"]);
    expect(await run.exited).toBe(1);
    expect(run.output.stderr).toMatch(/--workers.*whole number from 1 to 32/);
  });
});

/** How many jobs of the batch run right now. */
async function runningIn(api: Api, batchId: string): Promise<number> {
  const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
  return counts?.running ?? 0;
}
