import { expect, it } from "vitest";
import { codesIn, readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";
import { LIBRARIES } from "../../support/packages/libraries.ts";

it("docs/packages.md lists every tested library with its version and settings", async () => {
  const rows = rowsOf(sectionOf(await readDocument("packages.md"), "## Libraries"));
  const documented = rows.map(([library = "", setting = ""]) => [codesIn(library), codesIn(setting)]);
  const tried = LIBRARIES.map(({ modules, jobyard = {} }) => [
    Object.entries(modules).map(([name, version]) => `${name} ${version}`),
    Object.entries(jobyard).map(([field, names]) =>
      JSON.stringify({ [field]: names })
        .slice(1, -1)
        .replace(":", ": "),
    ),
  ]);
  expect(documented).toEqual(tried);
});
