import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isWatched, lookAt, watchFolder } from "../../../../runtime/cli/dev/folder-watch.ts";
import { eventually } from "../../../support/eventually.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

/** A watched folder with two files. `changed` resolves when all these files have been told of. */
async function watched() {
  const root = await temporaryDirectory();
  const path = (file: string): string => join(root.path, file);
  await mkdir(path("src"));
  await writeFile(path("package.json"), "{}");
  await writeFile(path("src/a.ts"), "1");
  const told = new Set<string>();
  const problems: unknown[] = [];
  const watch = await watchFolder({
    directory: root.path,
    onChange({ files }) {
      for (const file of files) told.add(file);
    },
    onProblem: (error) => problems.push(error),
  });
  return {
    path,
    told,
    problems,
    async changed(...files: readonly string[]): Promise<void> {
      await eventually(() => expect([...told]).toEqual(expect.arrayContaining([...files])));
      told.clear();
    },
    async [Symbol.asyncDispose]() {
      watch.close();
      await root[Symbol.asyncDispose]();
    },
  };
}

describe("a watched folder", () => {
  it("tells of files that are written, created and deleted", async () => {
    await using folder = await watched();
    await writeFile(folder.path("src/a.ts"), "2");
    await folder.changed("src/a.ts");
    await writeFile(folder.path("package.json"), '{"name":"x"}');
    await folder.changed("package.json");
    await writeFile(folder.path("src/b.ts"), "1");
    await folder.changed("src/b.ts");
    await rm(folder.path("src/a.ts"));
    await folder.changed("src/a.ts");
  });

  it("tells of a file that an editor replaces with a new one of the same length and name", async () => {
    await using folder = await watched();
    for (const text of ["2", "3"]) {
      await writeFile(folder.path("src/a.ts.tmp"), text);
      await rename(folder.path("src/a.ts.tmp"), folder.path("src/a.ts"));
      await folder.changed("src/a.ts");
    }
  });

  it("tells of renamed files and folders, and of files in new folders", async () => {
    await using folder = await watched();
    await rename(folder.path("src/a.ts"), folder.path("src/c.ts"));
    await folder.changed("src/a.ts", "src/c.ts");
    await mkdir(folder.path("src/deep/deeper"), { recursive: true });
    await writeFile(folder.path("src/deep/deeper/d.ts"), "1");
    await folder.changed("src/deep/deeper/d.ts");
    await writeFile(folder.path("src/deep/deeper/d.ts"), "22");
    await folder.changed("src/deep/deeper/d.ts");
    await rename(folder.path("src/deep"), folder.path("src/moved"));
    await folder.changed("src/deep/deeper/d.ts", "src/moved/deeper/d.ts");
    await rm(folder.path("src"), { recursive: true });
    await mkdir(folder.path("src"));
    await writeFile(folder.path("src/a.ts"), "new");
    await folder.changed("src/a.ts");
    await writeFile(folder.path("src/a.ts"), "newer");
    await folder.changed("src/a.ts");
  });

  it("tells nothing of dependencies, hidden files and what editors leave", async () => {
    await using folder = await watched();
    await mkdir(folder.path("node_modules/x"), { recursive: true });
    for (const file of ["node_modules/x/index.js", ".git", "src/.a.ts.swp", "src/a.ts~", "src/4913"]) {
      await writeFile(folder.path(file), "1");
    }
    await writeFile(folder.path("src/last.ts"), "1");
    await eventually(() => expect(folder.told).toContain("src/last.ts"));
    expect([...folder.told]).toEqual(["src/last.ts"]);
  });

  it("tells the file system's errors, and goes on", async () => {
    await using folder = await watched();
    await rename(folder.path("."), folder.path("../gone-for-a-while"));
    await eventually(() => expect(folder.problems.length).toBeGreaterThan(0));
    await rename(folder.path("../gone-for-a-while"), folder.path("."));
    await writeFile(folder.path("src/a.ts"), "back");
    await folder.changed("src/a.ts");
  });
});

describe("when to look at a folder", () => {
  it("is shortly after the last hint, and not long after the first", () => {
    expect(lookAt({ firstAt: 1_000, lastAt: 1_000 })).toBe(1_040);
    expect(lookAt({ firstAt: 1_000, lastAt: 1_100 })).toBe(1_140);
    expect(lookAt({ firstAt: 1_000, lastAt: 9_000 })).toBe(1_250);
  });

  it("is for names that make a version", () => {
    expect(["a.ts", "data.json", "tsconfig.json", "dist"].filter(isWatched)).toHaveLength(4);
    expect(["node_modules", ".git", "#a.ts#", "a.ts___jb_tmp___", "x.tmp"].filter(isWatched)).toEqual([]);
  });
});
