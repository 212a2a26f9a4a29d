import { expect, it } from "vitest";
import { didYouMean } from "../../../runtime/core/did-you-mean.ts";

const KNOWN = ["Thumbnails", "FinancialYearEnd", "MetadataExport"];

it.each([
  ["Thumbnail", "Thumbnails"],
  ["thumbnails", "Thumbnails"],
  ["Thubmnails", "Thumbnails"],
  ["FinacialYearEnd", "FinancialYearEnd"],
  ["MetadataImport", "MetadataExport"],
])("finds for %s the word %s", (word, meant) => {
  expect(didYouMean(word, KNOWN)).toBe(meant);
});

it.each(["Invoices", "T", "", "ThumbnailsOfOrdersOfTheYear"])("finds nothing near %j", (word) => {
  expect(didYouMean(word, KNOWN)).toBeUndefined();
});

it("prefers the nearest, and the first of equals", () => {
  expect(didYouMean("jobs", ["jobz", "jobs2", "jobx"])).toBe("jobz");
  expect(didYouMean("timeoutMS", ["timeout", "timeoutMs"])).toBe("timeoutMs");
});

it("compares only the beginning of long words", () => {
  expect(didYouMean("x".repeat(100_000), ["y".repeat(100_000), "x".repeat(99_999)])).toBe("x".repeat(99_999));
});
