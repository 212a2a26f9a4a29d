import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { buildBundles } from "../../infra/bundles.ts";
import { ROOT } from "../../infra/tools/stack-graph.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { unzip } from "../support/unzip.ts";

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
  it("have the same bytes from the same source, named by them", async () => {
    const [first, second] = [await buildBundles(), await buildBundles()];
    expect(second).toEqual(first);
    expect(first.api.file).toContain(first.api.sha256);
    expect(first.api.sha256).not.toBe(first.worker.sha256);
  });

  it("carry the job packages in the API's, and change with them alone", async () => {
    const without = await buildBundles();
    const withPackages = await buildBundles(join(ROOT, "packages-sample"));
    expect(withPackages).toEqual(await buildBundles(join(ROOT, "packages-sample")));
    expect(withPackages.worker).toEqual(without.worker);
    expect(withPackages.api.sha256).not.toBe(without.api.sha256);
    expect([...(await unzip(withPackages.api.file)).keys()].sort()).toEqual([
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
    const { api, apiEntry, worker } = await buildBundles();
    const [apiFiles, workerFiles] = [await unzip(api.file), await unzip(worker.file)];
    for (const content of [...apiFiles.values(), ...workerFiles.values()]) {
      expect(content.length).toBeLessThan(BUNDLE_MAX_BYTES);
    }
    expect([...workerFiles.keys()].sort()).toEqual(["host.cjs", "worker.mjs"]);
    expect(await startFrom(apiFiles, apiEntry)).toMatch(/^JOBYARD_[A-Z_]+ is not set\.\n$/);
    expect(await startFrom(workerFiles, "worker.mjs")).toMatch(/^JOBYARD_[A-Z_]+ is not set\.\n$/);
    expect((await readFile(api.file)).length).toBeLessThan(BUNDLE_MAX_BYTES);
  });
});
