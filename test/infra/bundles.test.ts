import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bundles, buildBundles } from "../../infra/bundles.ts";
import { ROOT } from "../../infra/tools/stack-graph.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { unzip } from "../support/packages/unzip.ts";

/** App Service and a VM fetch them at every start of a machine. */
const BUNDLE_MAX_BYTES = 8 * 1024 * 1024;

/** Where nothing else is: no node_modules to fall back on. */
async function startFrom(files: ReadonlyMap<string, Buffer>, program: string): Promise<string> {
  await using directory = await temporaryDirectory();
  for (const [name, content] of files) await writeFile(join(directory.path, name), content);
  const { stderr } = await promisify(execFile)(process.execPath, [join(directory.path, program)], { env: {} }).catch(
    (error: unknown) => error as { stderr: string },
  );
  return stderr;
}

describe("the deployed packages", () => {
  let bare: Bundles;
  let withSamples: Bundles;
  beforeAll(async () => {
    bare = await buildBundles();
    withSamples = await buildBundles(join(ROOT, "packages-sample"));
  });

  it("are named by their content", () => {
    expect(bare.api.file).toContain(bare.api.sha256);
    expect(bare.worker.file).toContain(bare.worker.sha256);
    expect(bare.api.sha256).not.toBe(bare.worker.sha256);
  });

  it("have the same bytes from the same source", async () => {
    expect(await buildBundles(join(ROOT, "packages-sample"))).toEqual(withSamples);
  });

  it("carry the job packages in the API's, which alone changes with them", async () => {
    expect(withSamples.worker).toEqual(bare.worker);
    expect(withSamples.api.sha256).not.toBe(bare.api.sha256);
    expect([...(await unzip(withSamples.api.file)).keys()].sort()).toEqual([
      "api.mjs",
      "packages/documents.zip",
      "packages/financial-year-end.zip",
      "packages/metadata-export.zip",
      "packages/shell-tool.zip",
      "packages/thumbnails.zip",
    ]);
  });

  it("are not made when the folder of packages is none", async () => {
    await expect(buildBundles("/no/such/folder")).rejects.toThrow("jobyard:packagesPath: there is no folder");
  });

  it("are whole: each program starts from an empty folder, and asks for its settings", async () => {
    const [apiFiles, workerFiles] = [await unzip(bare.api.file), await unzip(bare.worker.file)];
    for (const content of [...apiFiles.values(), ...workerFiles.values()]) {
      expect(content.length).toBeLessThan(BUNDLE_MAX_BYTES);
    }
    expect([...workerFiles.keys()].sort()).toEqual(["host.cjs", "worker.mjs"]);
    expect(await startFrom(apiFiles, bare.apiEntry)).toMatch(/^JOBYARD_[A-Z_]+ is not set\.\n$/);
    expect(await startFrom(workerFiles, "worker.mjs")).toMatch(/^JOBYARD_[A-Z_]+ is not set\.\n$/);
    expect((await readFile(bare.api.file)).length).toBeLessThan(BUNDLE_MAX_BYTES);
  });
});
