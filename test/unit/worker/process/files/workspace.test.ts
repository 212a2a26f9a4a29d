import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWorkspaces } from "../../../../../runtime/worker/process/files/workspace.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "jobyard-workspace-"));
});
afterEach(async () => {
  expect(await readdir(root)).toEqual([]);
  await rm(root, { recursive: true });
});

describe("a workspace", () => {
  it("a workspace has empty private directories and reserves the package's", async () => {
    const workspace = await createWorkspaces({ root }).create();
    expect((await readdir(workspace.root)).sort()).toEqual(["output", "tmp", "work"]);
    expect((await stat(workspace.root)).mode & 0o777).toBe(0o700);
    await workspace.remove();
  });

  it("every workspace is new, and gone after one or two removals", async () => {
    const workspaces = createWorkspaces({ root });
    const [first, second] = await Promise.all([workspaces.create(), workspaces.create()]);
    expect(first.root).not.toBe(second.root);
    await Promise.all([first.remove(), second.remove()]);
    await first.remove();
  });

  it(
    "a workspace is removed with read-only directories and odd names, and nothing behind a link",
    { tags: "attack/trees" },
    async () => {
      const kept = await mkdtemp(join(tmpdir(), "jobyard-kept-"));
      await writeFile(join(kept, "precious"), "");
      const workspace = await createWorkspaces({ root }).create();
      const { workingPath } = workspace;
      await mkdir(join(workingPath, "locked", "inner"), { recursive: true });
      await writeFile(join(workingPath, "locked", "inner", "file"), "");
      await chmod(join(workingPath, "locked", "inner"), 0o000);
      await chmod(join(workingPath, "locked"), 0o500);
      await writeFile(Buffer.from(`${workingPath}/\xff\xfe\n`, "latin1"), "");
      await writeFile(join(workingPath, "-rf *"), "");
      await symlink(kept, join(workingPath, "link"));
      await symlink("nowhere", join(workingPath, "dangling"));
      await workspace.remove();
      expect(await readdir(kept)).toEqual(["precious"]);
      await rm(kept, { recursive: true });
    },
  );

  it("a workspace is removed while something still writes into it", { tags: "attack/trees" }, async () => {
    const workspace = await createWorkspaces({ root }).create();
    const { workingPath } = workspace;
    const writing = (async () => {
      for (let n = 0; n < 200; n++) {
        await writeFile(join(workingPath, `late-${n}`), "").catch(() => undefined);
      }
    })();
    await workspace.remove();
    await writing;
  });
});

describe("a sweep", () => {
  it("a sweep removes what a crashed worker left, and nothing else", async () => {
    const abandoned = await createWorkspaces({ root }).create();
    await writeFile(join(abandoned.outputPath, "half"), "");
    await mkdir(join(root, "packages"));
    await createWorkspaces({ root }).sweep();
    expect(await readdir(root)).toEqual(["packages"]);
    await rm(join(root, "packages"), { recursive: true });
  });
});
