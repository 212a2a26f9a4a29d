import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { IDLE_DEV, IDLE_PROD } from "../../infra/plan/costs.ts";
import { planMetricAlerts } from "../../infra/plan/metric-alerts.ts";
import { DEFAULT_ALERT_LIMITS, planQueryAlerts } from "../../infra/plan/query-alerts.ts";
import { busTopology } from "../../runtime/core/deployment/topology.ts";
import { withDeployTables } from "../../infra/tools/deploy-tables.ts";
import { ALERTS, withOperateParts } from "../../infra/tools/operate-parts.ts";
import { ROOT } from "../../infra/tools/stack-graph.ts";

/** Removes padding, which belongs to the formatter. */
const cells = (document: string): string => document.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---");
const documentOf = (name: string): Promise<string> => readFile(join(ROOT, "docs", name), "utf8");

describe("docs/deploy.md", () => {
  it("docs/deploy.md has the settings, permissions and costs of the code (to fix: npm run infra:docs)", async () => {
    const document = await documentOf("deploy.md");
    expect(cells(document)).toBe(cells(withDeployTables(document)));
  });

  it("the costs count every alert on a metric, and a split alert once for each queue and topic", () => {
    const { queues, topics } = busTopology(["default"]);
    const entities = queues.length + topics.length;
    const series = planMetricAlerts({ backlog: 1 }).reduce((sum, { splitBy }) => sum + (splitBy ? entities : 1), 0);
    for (const costs of [IDLE_DEV, IDLE_PROD]) {
      expect(costs.find(({ what }) => what.startsWith("alert series"))?.quantity).toBe(series);
    }
  });

  it.each([
    // Pulumi.dev.yaml has a daily limit.
    { stack: "dev", costs: IDLE_DEV, hasDailyCap: true },
    { stack: "prod", costs: IDLE_PROD, hasDailyCap: false },
  ])("the costs of $stack count every alert with a query", ({ costs, hasDailyCap }) => {
    const rules = planQueryAlerts({ ...DEFAULT_ALERT_LIMITS, hasDailyCap });
    expect(costs.find(({ what }) => what.startsWith("alert rules"))?.quantity).toBe(rules.length);
  });
});

describe("docs/operate.md", () => {
  it("docs/operate.md has the alerts and queries of the code (to fix: npm run infra:docs)", async () => {
    const document = await documentOf("operate.md");
    expect(cells(document)).toBe(cells(withOperateParts(document)));
  });

  it("docs/operate.md has a section for every alert", async () => {
    const document = await documentOf("operate.md");
    expect(ALERTS.filter(({ id }) => !document.includes(`\n### ${id}\n`))).toEqual([]);
  });
});
