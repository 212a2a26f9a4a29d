/** What `npm start` does with the samples, from an empty folder. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BatchView } from "../../../runtime/core/http/views.ts";
import { eventually } from "../../../test/support/eventually.ts";
import { apiOf, processesOf, startLocal } from "../../../test/support/processes/local-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../../test/support/temporary-directory.ts";

const IMAGES = 25;
const JOBS = IMAGES + 1;

interface Result {
  readonly batchId: string;
  readonly submitted: number;
}

let home: TemporaryDirectory;
let result: Result;
beforeAll(async () => {
  home = await temporaryDirectory();
});
afterAll(() => home[Symbol.asyncDispose]());

it("npm start runs every sample to its end, copies the artifacts, prints one JSON line and leaves no process", async () => {
  await using run = startLocal(home.path, ["--once", "--json", "--port", "0"]);
  expect(await run.exited, run.output.stderr).toBe(0);
  expect(run.output.stdout.trim().split("\n").length).toBe(1);
  result = JSON.parse(run.output.stdout) as Result;
  expect(result).toMatchObject({ submitted: JOBS, succeeded: JOBS, failed: 0 });
  await eventually(() => expect(processesOf(home.path)).toEqual([]));

  const artifacts = join(home.path, "artifacts", result.batchId);
  expect(await readdir(join(artifacts, "year-end-2025"))).toContain("year-end-2025.md");
  for (const [name, format] of [
    ["waves-1", "jpg"],
    ["waves-2", "png"],
    ["waves-3", "webp"],
  ] as const) {
    expect((await readdir(join(artifacts, name))).toSorted()).toEqual(
      [160, 320, 64].map((size) => `${name}-${size}.${format}`),
    );
  }
});

it("npm start does not run the samples a second time in the same folder, and says how to", async () => {
  await using run = startLocal(home.path, ["--port", "0"]);
  const api = await apiOf(run, home.path);
  await run.says("Press Ctrl-C to stop");
  expect(run.output.stdout).toContain(`have already run in this folder, as batch ${result.batchId}`);
  expect(run.output.stdout).toContain("npm start -- --demo");
  const { counts } = await api.get<BatchView>(`/batches/${result.batchId}`);
  expect(counts).toMatchObject({ succeeded: JOBS, total: JOBS });
  const { items } = await api.get<{ items: BatchView[] }>("/batches?tenantName=demo");
  expect(items.filter(({ batchName }) => batchName === "Demo").length).toBe(1);
  run.process.kill("SIGTERM");
  expect(await run.exited).toBe(0);
});
