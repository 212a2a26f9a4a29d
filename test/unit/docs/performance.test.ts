import { expect, it } from "vitest";
import { GOALS } from "../../../bench/peers/goals.ts";
import { withFigures } from "../../../bench/peers/report.ts";
import { createSummaries } from "../../../bench/suite.ts";
import { readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

const document = await readDocument("performance.md");

it("docs/performance.md shows every goal, with what was measured (to fix: npm run bench -- peers)", () => {
  const shown = rowsOf(sectionOf(document, "## Goals")).map(([figure, , , , wanted]) => [figure, wanted]);
  expect(shown).toEqual(GOALS.map(({ figure, wanted }) => [figure, wanted]));
});

it("docs/performance.md has a place for each table, and a goal is judged by its ratio or by its figure", () => {
  const summaries = createSummaries();
  const [goal] = GOALS.filter(({ against }) => against !== undefined);
  const [plain] = GOALS.filter(({ against }) => against === undefined);
  for (const value of [10, 30, 20]) summaries.add({ name: `ours: ${goal!.ours}`, value, unit: "jobs/s" });
  summaries.add({ name: goal!.against!, value: 40, unit: "jobs/s" });
  summaries.add({ name: `ours: ${plain!.ours}`, value: 3, unit: "requests" });
  const written = withFigures(document, summaries, { conditions: "- measured here", peers: ["BullMQ sandboxed"] });
  const rows = rowsOf(sectionOf(written, "## Goals"));
  const rowOf = (figure: string) => rows.find(([first]) => first === figure);
  expect(rowOf(goal!.figure)).toEqual([
    goal!.figure,
    "20 jobs/s (10 to 30)",
    "40 jobs/s",
    "0.50 ×",
    goal!.wanted,
    goal!.isReached(0.5) ? "yes" : "**no**",
  ]);
  expect(rowOf(plain!.figure)?.slice(1)).toEqual(["3 requests", "", "", plain!.wanted, "yes"]);
  expect(rows.at(-1)?.at(-1)).toBe("not measured");
  expect(written).toContain("- measured here");
});
