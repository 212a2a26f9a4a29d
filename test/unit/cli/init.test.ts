import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { check, resolveConfig } from "prettier";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../../runtime/cli/exit-codes.ts";
import { ROOT } from "../../support/docs/document-tables.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

interface PackageJson {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const init = (...args: string[]) => runCliHere(["init", ...args], { env: {} });

async function filesOf(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    files.set(path.slice(directory.length + 1), await readFile(path, "utf8"));
  }
  return files;
}

const described = (files: ReadonlyMap<string, string>): PackageJson =>
  JSON.parse(files.get("package.json") ?? "") as PackageJson;

describe("jobyard init", () => {
  it.each([[[]], [["--timer"]]])(
    "makes a complete folder that names no path of this machine, with %j",
    async (more) => {
      await using place = await temporaryDirectory();
      const [directory, tarball] = [join(place.path, "my-package"), join(place.path, "acme-jobyard-1.2.3.tgz")];
      await writeFile(tarball, "the package");
      const { code, stderr, stdout } = await init(directory, "--from", tarball, ...more);
      expect([code, stderr]).toEqual([EXIT.done, ""]);
      expect(stdout).toContain("npm install");
      const files = await filesOf(directory);
      expect([...files.keys()].toSorted()).toEqual([
        ...[".gitignore", "AGENTS.md", "README.md", "package.json", "src/my-package.ts", "test/my-package.test.ts"],
        ...["tsconfig.json", "vendor/acme-jobyard-1.2.3.tgz"],
      ]);
      for (const [file, text] of files) {
        expect([file, text.includes(ROOT) || text.includes(place.path)]).toEqual([file, false]);
      }
      expect(files.get("vendor/acme-jobyard-1.2.3.tgz")).toBe("the package");
      const { name, devDependencies } = described(files);
      expect(name).toBe("@your-scope/my-package");
      expect(devDependencies["jobyard"]).toBe("file:vendor/acme-jobyard-1.2.3.tgz");
      expect(Object.keys(devDependencies)).toEqual(["@types/node", "jobyard", "typescript", "vitest"]);
    },
  );

  it("writes files in the project's own format", async () => {
    await using place = await temporaryDirectory();
    const tarball = join(place.path, "jobyard.tgz");
    await writeFile(tarball, "");
    const options = (await resolveConfig(join(ROOT, "package.json"))) ?? {};
    for (const [name, ...more] of [["job"], ["timer", "--timer"]] as const) {
      await init(join(place.path, name), "--from", tarball, ...more);
      for (const [file, text] of await filesOf(join(place.path, name))) {
        if (file.startsWith("vendor/") || file === ".gitignore") continue;
        expect([file, await check(text, { ...options, filepath: file })]).toEqual([file, true]);
      }
    }
  });

  it("uses the clone in a folder of the clone", async () => {
    const below = join(ROOT, "dist");
    await mkdir(below, { recursive: true });
    await using place = await temporaryDirectory(below);
    const { code } = await init(join(place.path, "inside"));
    const { devDependencies } = described(await filesOf(join(place.path, "inside")));
    expect([code, devDependencies]).toEqual([EXIT.done, { jobyard: "file:../../.." }]);
  });

  it("refuses what npm could not install, and says what to do", async () => {
    await using place = await temporaryDirectory();
    const outside = await init(join(place.path, "outside"));
    expect(outside.code).toBe(EXIT.usage);
    expect(outside.stderr).toMatch(/@your-scope\/jobyard is a placeholder .* npm run build:package/);
    const missing = await init(join(place.path, "outside"), "--from", "none.tgz");
    expect([missing.code, missing.stderr.trim()]).toEqual([EXIT.usage, "none.tgz is no tarball of npm (.tgz)."]);
    await mkdir(join(place.path, "full"));
    await writeFile(join(place.path, "full/file.tgz"), "");
    const full = await init(join(place.path, "full"), "--from", join(place.path, "full/file.tgz"));
    expect([full.code, full.stderr]).toEqual([EXIT.usage, expect.stringContaining("is not empty")]);
  });
});
