import { join } from "node:path";
import { expect, it } from "vitest";
import { packageFolders } from "../../../../runtime/cli/dev/package-folders.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";

it("finds the packages of the folders that are named, and of folders of packages, each once", async () => {
  await using source = await sourcePackage({
    "all/a/package.json": '{ "name": "@scope/a" }',
    "all/b/package.json": '{ "name": "b" }',
    "all/notes/readme.md": "",
  });
  const found = await packageFolders([join(source.path, "all"), join(source.path, "all/a")]);
  expect(found.map(({ name }) => name)).toEqual(["a", "b"]);
});

it.each([
  ["a folder that does not exist", "gone", /gone is not a folder\. Create a package with: jobyard init/],
  ["a folder without a package.json", "empty", /There is no package\.json in .*empty/],
  ["a package.json without a name", "nameless", /In .*nameless: package\.json: name: /],
  ["two packages of one name", "twins", /both called twin\. Rename one/],
])("says what is missing: %s", async (_what, folder, message) => {
  await using source = await sourcePackage({
    "empty/readme.md": "",
    "nameless/package.json": "{}",
    "twins/one/package.json": '{ "name": "twin" }',
    "twins/two/package.json": '{ "name": "twin" }',
  });
  await expect(packageFolders([join(source.path, folder)])).rejects.toThrow(message);
});
