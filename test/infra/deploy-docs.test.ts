import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planAlerts } from "../../infra/plan/alerts.ts";
import { IDLE_DEV, IDLE_PROD } from "../../infra/plan/costs.ts";
import { busTopology } from "../../runtime/core/deployment/topology.ts";
import { withTables } from "../../infra/tools/deploy-tables.ts";
import { ROOT } from "../../infra/tools/stack-graph.ts";

/** Removes padding, which belongs to the formatter. */
const cells = (document: string): string => document.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");

describe("docs/deploy.md", () => {
  it("docs/deploy.md has the settings, permissions and costs of the code (to fix: npm run infra:docs)", async () => {
    const document = await readFile(join(ROOT, "docs", "deploy.md"), "utf8");
    expect(cells(document)).toBe(cells(withTables(document)));
  });

  it("the costs count every alert, and a split alert once for each queue and topic", () => {
    const { queues, topics } = busTopology(["default"]);
    const entities = queues.length + topics.length;
    const series = planAlerts({ backlog: 1 }).reduce((sum, { splitBy }) => sum + (splitBy ? entities : 1), 0);
    for (const costs of [IDLE_DEV, IDLE_PROD]) {
      expect(costs.find(({ what }) => what.startsWith("alert"))?.quantity).toBe(series);
    }
  });
});
