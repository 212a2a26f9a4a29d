import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createSecretFiles } from "../../../runtime/local/secret-files.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

it("keeps each secret in a file that only its user can read", async () => {
  await using home = await temporaryDirectory();
  const directory = join(home.path, "secrets");
  const secrets = createSecretFiles(directory);
  const id = await secrets.add("hunter22\n", {});
  expect(await readdir(directory)).toEqual([id]);
  expect((await stat(join(directory, id))).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  // As another process does.
  expect(await createSecretFiles(directory).get(id)).toBe("hunter22\n");
  await secrets.remove(id);
  await secrets.remove(id);
  expect(await secrets.get(id)).toBeUndefined();
});

it("reads and removes nothing outside of its folder", async () => {
  await using home = await temporaryDirectory();
  const outside = join(home.path, "outside");
  await writeFile(outside, "not a secret");
  const secrets = createSecretFiles(join(home.path, "secrets"));
  expect(await secrets.get("../outside")).toBeUndefined();
  await secrets.remove("../outside");
  expect((await stat(outside)).isFile()).toBe(true);
});

it("says that secrets are unavailable when its folder is not one", async () => {
  await using home = await temporaryDirectory();
  const file = join(home.path, "file");
  await writeFile(file, "");
  await expect(createSecretFiles(file).add("hunter22", {})).rejects.toMatchObject({ code: "SecretsUnavailable" });
});
