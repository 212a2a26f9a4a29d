import { describe, expect, it } from "vitest";
import { PackError } from "../../../../runtime/package/build/problem.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import { scanSources } from "../../../../runtime/package/build/scan.ts";
import { readJobSources } from "../../../../runtime/package/build/source-modules.ts";
import { currentPlatform } from "../../../../runtime/worker/package-cache/unpack.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";

const IMPORT = 'import { defineIdentity, defineSettings, secret } from "jobyard/job";\n';

async function scan(files: Readonly<Record<string, string>>) {
  await using source = await sourcePackage(files);
  return scanSources(source.path, await readJobSources(source.path));
}

async function problemsOf(text: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const error: unknown = await scan({ "src/a.ts": `${IMPORT}${text}`, ...more }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PackError);
  return (error as PackError).message;
}

const settingsIn = async (text: string) => (await scan({ "src/a.ts": `${IMPORT}${text}` })).settings?.settings;

describe("defineSettings", () => {
  it("is read from the source, sorted by name, with constants and secrets", async () => {
    const text = `
      const PORT = "2" + "5";
      export const settings = defineSettings({
        SMTP_PORT: { default: PORT, description: "The port." },
        API_KEY: secret(),
        TOKEN: secret({ optional: true, description: "Not everyone has one." }),
        SMTP_HOST: {},
      });`;
    expect(await settingsIn(text)).toEqual([
      { name: "API_KEY", secret: true },
      { name: "SMTP_HOST" },
      { name: "SMTP_PORT", default: "25", description: "The port." },
      { name: "TOKEN", secret: true, optional: true, description: "Not everyone has one." },
    ]);
  });

  it.each([
    [
      "secret under another name",
      'import { defineSettings as d, secret as s } from "jobyard/job";\nexport const x = d({ A: s() });',
    ],
    [
      "an import of everything",
      'import * as j from "jobyard/job";\nexport const x = j.defineSettings({ A: j.secret() });',
    ],
    ["options in a constant", `${IMPORT}const all = { A: secret() };\nexport const x = defineSettings(all);`],
  ])("is read with %s", async (_, text) => {
    expect((await scan({ "src/a.ts": text })).settings?.settings).toEqual([{ name: "A", secret: true }]);
  });

  it.each([
    ["a name in small letters", "{ smtp_host: {} }", "smtp_host: expected 1 to 64 capital letters"],
    ["a secret with a default", '{ A: { secret: true, default: "x" } }', "A.default: expected no default"],
    ["an unknown option", "{ A: { requird: true } }", "A: expected only known fields"],
    ["options that are computed", "{ A: makeOptions() }", "The options of A must be a constant"],
    ["a secret of something else", "{ A: Secret() }", "Or write secret({ … })"],
    ["spread settings", "{ ...others }", "Each setting must be a constant"],
    ["no literal", "load()", "defineSettings expects an object literal here"],
    ["an empty default", '{ A: { default: "" } }', "it must not be empty"],
  ])("refuses %s", async (_, argument, message) => {
    expect(await problemsOf(`export const settings = defineSettings(${argument});`)).toContain(message);
  });

  it("refuses two lists in one package, and warns of one that is not exported", async () => {
    const one = "export const settings = defineSettings({ A: {} });";
    expect(await problemsOf(one, { "src/b.ts": `${IMPORT}${one}` })).toContain(
      "src/b.ts:2:25: A package can have only one list of settings; the first one is at src/a.ts:2:25.",
    );
    const { settings, warnings } = await scan({ "src/a.ts": `${IMPORT}const settings = defineSettings({ A: {} });` });
    expect(settings).toBeUndefined();
    expect(warnings[0]?.message).toBe(
      "This list of settings is declared but not exported from its file, so it is not part of the package.",
    );
  });
});

describe("defineIdentity", () => {
  it("is read from the source, sorted", async () => {
    const text = `export const identity = defineIdentity({ audiences: ["https://vault.azure.net", "https://management.azure.com"] });`;
    const { identity } = await scan({ "src/a.ts": `${IMPORT}${text}` });
    expect(identity?.audiences).toEqual(["https://management.azure.com", "https://vault.azure.net"]);
  });

  it.each([
    ["an audience with a slash at its end", '["https://vault.azure.net/"]', "expected an audience such as"],
    ["a scope", '["https://vault.azure.net/.default"]', "expected an audience such as"],
    ["http", '["http://vault.azure.net"]', "expected an audience such as"],
    ["one audience twice", '["https://a.b", "https://a.b"]', "expected audiences that differ"],
    ["a computed audience", "[name()]", "An audience must be a constant"],
    ["no list", "all", "defineIdentity expects { audiences"],
  ])("refuses %s", async (_, audiences, message) => {
    expect(await problemsOf(`export const identity = defineIdentity({ audiences: ${audiences} });`)).toContain(message);
  });
});

describe("jobyard pack", () => {
  const json = (jobyard: object): string => JSON.stringify({ name: "tool", jobyard });
  const jobs = [{ jobType: "Tool", command: "sh" }];
  const pack = async (files: Readonly<Record<string, string>>) => {
    await using source = await sourcePackage(files);
    return (await packPackage({ directory: source.path, target: currentPlatform() })).manifest;
  };

  it("puts the settings of a package without source into its manifest", async () => {
    const settings = [{ name: "API_KEY", secret: true }];
    expect(await pack({ "package.json": json({ jobs, settings }) })).toMatchObject({
      settings,
    });
  });

  it("leaves the manifest of a package without either as it was", async () => {
    expect(Object.keys(await pack({ "package.json": json({ jobs }) }))).toEqual([
      ...["manifestVersion", "name", "platform", "jobs"],
    ]);
  });

  it("refuses a setting that source and package.json both declare", async () => {
    const files = {
      "package.json": json({ jobs, settings: [{ name: "A" }] }),
      "src/a.ts": `${IMPORT}export const settings = defineSettings({ A: {} });`,
    };
    await expect(pack(files)).rejects.toThrow("A is there twice");
  });
});
