import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, lstat, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DESCRIPTORS_HAVE_PATHS, openDirectory } from "../../../../../runtime/worker/process/files/open-directory.ts";
import { removeTree } from "../../../../../runtime/worker/process/files/remove-tree.ts";
import { canBecomeOther, OTHER_USER } from "../../../../support/processes/other-user.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../../support/temporary-directory.ts";

const WAYS = [
  { way: "by descriptors, as on Linux", byDescriptor: true },
  { way: "by names, as on macOS", byDescriptor: false },
];

let directory: TemporaryDirectory;
let tree: string;
let precious: string;
beforeEach(async () => {
  directory = await temporaryDirectory();
  tree = join(directory.path, "tree");
  precious = join(directory.path, "precious");
  for (const path of [tree, precious]) await mkdir(path);
  await writeFile(join(precious, "kept.txt"), "");
});
afterEach(async () => {
  expect(await readdir(precious)).toEqual(["kept.txt"]);
  await directory[Symbol.asyncDispose]();
});

const isGone = async (): Promise<boolean> => (await readdir(directory.path)).toString() === "precious";

describe.each(WAYS)("removing a tree $way", ({ byDescriptor }) => {
  const canGo = !byDescriptor || DESCRIPTORS_HAVE_PATHS;

  it.skipIf(!canGo)(
    "removal leaves nothing of closed directories, odd names and many files",
    { tags: "attack/trees" },
    async () => {
      await mkdir(join(tree, "locked", "inner"), { recursive: true });
      await writeFile(join(tree, "locked", "inner", "file"), "");
      await chmod(join(tree, "locked", "inner"), 0o000);
      await chmod(join(tree, "locked"), 0o500);
      await writeFile(Buffer.from(`${tree}/\xff\xfe\n`, "latin1"), "");
      for (let n = 0; n < 100; n++) await writeFile(join(tree, String(n)), "");
      await removeTree(tree, byDescriptor);
      expect(await isGone()).toBe(true);
    },
  );

  it.skipIf(!canGo)("removal follows no link and removes a link in its place", { tags: "attack/trees" }, async () => {
    await symlink(precious, join(tree, "link"));
    await symlink("loop", join(tree, "loop"));
    await removeTree(tree, byDescriptor);
    await symlink(precious, tree);
    await removeTree(tree, byDescriptor);
    expect(await isGone()).toBe(true);
  });

  it.skipIf(!canGo)("removal reaches the bottom of a tree deeper than any path", { tags: "attack/trees" }, async () => {
    const dig = `for (let i = 0; i < 1500; i++) { fs.mkdirSync("directory"); process.chdir("directory"); }`;
    execFileSync(process.execPath, ["-e", dig], { cwd: tree });
    await removeTree(tree, byDescriptor);
    expect(await isGone()).toBe(true);
  });

  it.skipIf(!canGo)("removal of a missing tree succeeds", async () => {
    await removeTree(join(tree, "nothing"), byDescriptor);
    await rm(tree, { recursive: true });
  });
});

describe.skipIf(!DESCRIPTORS_HAVE_PATHS)("an open directory (needs /proc/self/fd)", { tags: "attack/trees" }, () => {
  it("an open directory stays the same when its name becomes a link", async () => {
    await writeFile(join(tree, "own.txt"), "");
    await using opened = await openDirectory(tree);
    await rename(tree, join(directory.path, "away"));
    await symlink(precious, tree);
    const names: string[] = [];
    for await (const { name } of opened.entries()) names.push(name.toString());
    expect(names).toEqual(["own.txt"]);
    await expect(lstat(opened.at(Buffer.from("kept.txt")))).rejects.toMatchObject({ code: "ENOENT" });
    await opened.chmod(0o711);
    expect((await lstat(precious)).mode & 0o777).not.toBe(0o711);
    await rm(tree);
    await rm(join(directory.path, "away"), { recursive: true });
  });

  it("a link or a file is never opened as a directory", async () => {
    await symlink(precious, join(tree, "link"));
    await symlink("loop", join(tree, "loop"));
    await writeFile(join(tree, "file"), "");
    for (const name of ["link", "loop", "file"])
      await expect(openDirectory(join(tree, name))).rejects.toMatchObject({ code: /ENOTDIR|ELOOP/ });
  });

  it.skipIf(!canBecomeOther(process.execPath))(
    "a directory that its owner swaps for a link is removed (needs root)",
    async () => {
      await chmod(directory.path, 0o711);
      await chmod(tree, 0o777);
      const swap = `
        const once = (act) => { try { act(); } catch {} };
        process.chdir(${JSON.stringify(tree)});
        once(() => fs.mkdirSync("inside"));
        process.stdout.write("ready");
        for (;;) {
          once(() => { for (let n = 0; n < 20; n++) fs.writeFileSync("inside/kept.txt" + n, ""); });
          once(() => fs.renameSync("inside", "aside"));
          once(() => fs.symlinkSync(${JSON.stringify(precious)}, "inside"));
          once(() => fs.rmSync("inside"));
          once(() => fs.renameSync("aside", "inside"));
          once(() => fs.mkdirSync("inside"));
        }`;
      const args = ["--reuid", OTHER_USER, "--clear-groups", "--", process.execPath, "-e", swap];
      const swapper = spawn("setpriv", args, { cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
      await once(swapper.stdout, "data");
      try {
        // It makes new files as fast as they go; what counts is what is left of the others.
        for (let n = 0; n < 20; n++) {
          await removeTree(join(tree, "inside")).catch(() => undefined);
          expect(await readdir(precious)).toEqual(["kept.txt"]);
        }
      } finally {
        swapper.kill("SIGKILL");
        await once(swapper, "exit");
      }
      await removeTree(tree);
      expect(await isGone()).toBe(true);
    },
  );
});
