import { expect, it } from "vitest";
import { ATTRIBUTE_VALUES_MAX, METRICS } from "../../../runtime/telemetry/metrics.ts";
import { codesIn, readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

const document = await readDocument("metrics.md");

it("the table of docs/metrics.md says what each metric is", () => {
  const said = rowsOf(sectionOf(document, "## The metrics")).map(
    ([name = "", kind, unit = "", attributes = "", meaning]) => ({
      name: codesIn(name)[0],
      kind,
      unit: codesIn(unit)[0],
      attributes: codesIn(attributes),
      description: meaning,
    }),
  );
  const table = Object.values(METRICS).map(({ name, kind, unit, attributes, description }) => ({
    ...{ name, kind, unit, description },
    attributes: [...attributes],
  }));
  expect(said).toEqual(table);
});

it("docs/metrics.md says how many values of an attribute are told apart", () => {
  expect(document.replaceAll(/\s+/g, " ")).toContain(`first ${ATTRIBUTE_VALUES_MAX} values of each attribute`);
});
