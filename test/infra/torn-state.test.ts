import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { mendTornState } from "../../infra/tools/torn-state.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A folder of Pulumi's with these files of project `jobyard`. */
async function backend(files: Readonly<Record<string, string>>) {
  const place = await temporaryDirectory();
  const folder = join(place.path, ".pulumi", "stacks", "jobyard");
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return { url: `file://${place.path}`, folder, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
}

it("an empty attributes file is removed, and the state stays", async () => {
  await using state = await backend({ "dev.json": "{}", "dev.json.attrs": "", "prod.json.attrs": "" });
  expect(mendTornState(state.url, "dev")).toEqual([expect.stringContaining("dev.json.attrs, which was empty.")]);
  expect((await readdir(state.folder)).toSorted()).toEqual(["dev.json", "prod.json.attrs"]);
});

it("an empty state comes back from its backup", async () => {
  await using state = await backend({ "dev.json": "", "dev.json.bak": '{"version":3}' });
  expect(mendTornState(`${state.url}?no_tmp_dir=true`, "dev")).toHaveLength(1);
  expect(await readFile(join(state.folder, "dev.json"), "utf8")).toBe('{"version":3}');
});

it("whole files and other backends are left alone", async () => {
  await using state = await backend({ "dev.json": "{}", "dev.json.attrs": "{}", "dev.json.bak": "" });
  expect(mendTornState(state.url, "dev")).toEqual([]);
  expect(mendTornState("azblob://state", "dev")).toEqual([]);
  expect(mendTornState("file:///no/such/folder", "dev")).toEqual([]);
});
