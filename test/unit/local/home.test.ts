import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownFolder } from "../../../runtime/platform/own-folder.ts";
import { HomeInUseError, openHome } from "../../../runtime/local/home.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe("the folder of the local stack", () => {
  it("is accessible only to its user, also if it existed before", async () => {
    await using root = await temporaryDirectory();
    const open = join(root.path, "open");
    await mkdir(open);
    await chmod(open, 0o755);
    for (const path of [open, join(root.path, "new/one")]) {
      const home = await openHome(path);
      expect(await modeOf(home.directory)).toBe(0o700);
      home.release();
    }
  });

  it("is used by one stack at a time", async () => {
    await using root = await temporaryDirectory();
    const home = await openHome(root.path);
    await expect(openHome(root.path)).rejects.toThrow(HomeInUseError);
    home.release();
    (await openHome(root.path)).release();
  });

  it("waits for the programs of a killed stack, the workers first", async () => {
    await using root = await temporaryDirectory();
    const first = await openHome(root.path);
    first.release();
    const worker = await ownFolder({ directory: join(first.workers, "worker-1") });
    const storage = await ownFolder({ directory: first.storage });
    const left = [worker, storage];
    const home = await openHome(root.path, { onWait: () => left.shift()?.release() });
    expect(left).toEqual([]);
    home.release();
  });
});
