import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import yauzl from "yauzl";
import { buildBundles } from "../../infra/bundles.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const BUNDLE_MAX_BYTES = 8 * 1024 * 1024;

/** Files of a ZIP by name. */
async function unzip(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const zip = await yauzl.openPromise(file);
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  return files;
}

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
