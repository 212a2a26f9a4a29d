import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withTables } from "../../infra/tools/deploy-tables.ts";
import { ROOT } from "../../infra/tools/stack-graph.ts";

/** Cells alone: padding belongs to the formatter. */
const cells = (document: string): string => document.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");

describe("docs/deploy.md", () => {
  it("has the settings, permissions and costs as the code has them (else: npm run infra:docs)", async () => {
    const document = await readFile(join(ROOT, "docs", "deploy.md"), "utf8");
    expect(cells(document)).toBe(cells(withTables(document)));
  });
});
