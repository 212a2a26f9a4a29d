/** Another publisher must not own a package name that this repository or its documents use. */
import { glob, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../support/docs/document-tables.ts";

interface PackageJson {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const samples: string[] = [];
for await (const file of glob("packages-sample/*/package.json", { cwd: ROOT })) samples.push(dirname(file));

describe.each([".", "runtime/cli", "runtime/local/bus", "infra", ...samples.toSorted()])("package %s", (directory) => {
  it("each package has a scoped name, is private, and uses jobyard from this folder", async () => {
    const json = JSON.parse(await readFile(join(ROOT, directory, "package.json"), "utf8")) as PackageJson;
    expect(json.name).toMatch(/^@your-scope\//);
    expect(json.private).toBe(true);
    const jobyard = json.dependencies?.["jobyard"] ?? json.devDependencies?.["jobyard"];
    expect(jobyard ?? "file:../..").toBe("file:../..");
  });
});

it("no command in the documents runs jobyard from a registry", async () => {
  const documents = (await readdir(join(ROOT, "docs"), { recursive: true }))
    .filter((name) => /\.(md|ts|js|html)$/.test(name))
    .map((name) => join("docs", name));
  for (const name of ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...documents]) {
    const text = await readFile(join(ROOT, name), "utf8");
    expect(text.match(/npx (?!--no )\S*jobyard.*|npm (?:i|install) jobyard(?!@npm:@).*/g) ?? [], name).toEqual([]);
  }
});
