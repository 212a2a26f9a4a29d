import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bundles, buildBundles } from "../../infra/bundles.ts";
import { sourcePackage } from "../support/packages/source-package.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { TEST_PACKAGES } from "../support/test-packages.ts";
import { unzip } from "../support/packages/unzip.ts";

/** App Service and VMs download the packages at every start of a machine. */
const BUNDLE_MAX_BYTES = 8 * 1024 * 1024;

/** An empty folder, with no node_modules to fall back on. */
async function startFrom(files: ReadonlyMap<string, Buffer>, program: string): Promise<string> {
  await using directory = await temporaryDirectory();
  for (const [name, content] of files) {
    await mkdir(join(directory.path, dirname(name)), { recursive: true });
    await writeFile(join(directory.path, name), content);
  }
  const { stderr } = await promisify(execFile)(process.execPath, [join(directory.path, program)], { env: {} }).catch(
    (error: unknown) => error as { stderr: string },
  );
  return stderr;
}

describe("the deployed packages", () => {
  let bare: Bundles;
  let withPackages: Bundles;
  beforeAll(async () => {
    bare = await buildBundles();
    withPackages = await buildBundles([TEST_PACKAGES]);
  });

  it("deployed packages are named by their content", () => {
    expect(bare.api.file).toContain(bare.api.sha256);
    expect(bare.worker.file).toContain(bare.worker.sha256);
    expect(bare.api.sha256).not.toBe(bare.worker.sha256);
  });

  it("have the same bytes from the same source", async () => {
    expect(await buildBundles([TEST_PACKAGES])).toEqual(withPackages);
  });

  it("carry the job packages in the API's, which alone changes with them", async () => {
    expect(withPackages.worker).toEqual(bare.worker);
    expect(withPackages.api.sha256).not.toBe(bare.api.sha256);
    const names = [...(await unzip(withPackages.api.file)).keys()];
    expect(names.filter((name) => !name.startsWith("web/")).sort()).toEqual([
      "api.mjs",
      "packages/financial-year-end.zip",
      "packages/metadata-export.zip",
    ]);
    expect(names).toContain("web/index.html");
    expect(names.filter((name) => /^web\/assets\/index-.*\.js(?:\.br|\.gz)?$/.test(name))).toHaveLength(3);
  });

  it("carry the packages of every folder, and none when a folder has none yet", async () => {
    await using own = await sourcePackage({
      "close/package.json": '{ "name": "close", "jobyard": { "jobs": [{ "jobType": "Close", "command": "true" }] } }',
    });
    await using none = await temporaryDirectory();
    const { packages } = await buildBundles([own.path, none.path, TEST_PACKAGES]);
    expect(packages.map(({ packageName }) => packageName)).toEqual([
      "close.zip",
      "financial-year-end.zip",
      "metadata-export.zip",
    ]);
  });

  it("are not made when two folders have a package of the same name", async () => {
    await using own = await sourcePackage({
      "metadata-export/package.json":
        '{ "name": "metadata-export", "jobyard": { "jobs": [{ "jobType": "Sweep", "command": "true" }] } }',
    });
    await expect(buildBundles([own.path, TEST_PACKAGES])).rejects.toThrow(
      "Two packages are called metadata-export.zip.",
    );
  });

  it("are not made when the folder of packages is none", async () => {
    await expect(buildBundles(["/no/such/folder"])).rejects.toThrow(
      "jobyard:packagesPath: the folder /no/such/folder does not exist",
    );
  });

  it("each deployed program starts from an empty folder and reports its missing settings", async () => {
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
