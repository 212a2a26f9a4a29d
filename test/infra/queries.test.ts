import { describe, expect, it } from "vitest";
import { DEFAULT_ALERT_LIMITS, planQueryAlerts } from "../../infra/plan/query-alerts.ts";
import { ALERTS, DOCUMENTED_QUERIES } from "../../infra/tools/operate-parts.ts";
import { workbookPages } from "../../infra/plan/workbook-pages.ts";
import { createKqlJudge } from "../support/infra/kql.ts";

const judge = createKqlJudge();
const TARGETS = { workspaceId: "/logs", busId: "/bus", apiId: "/api", pools: { default: "/vmss" } };
const SHOWN = workbookPages(TARGETS).flatMap(({ queries }) => queries);
const RULES = planQueryAlerts({ ...DEFAULT_ALERT_LIMITS, hasDailyCap: true });

describe("queries", () => {
  it.each([...DOCUMENTED_QUERIES])("the parser of Azure's editors accepts the query %s", (_id, kql) => {
    expect(judge(kql).problems).toEqual([]);
  });

  it.each([
    ["an unknown column", "AppMetrics | where Nam == 1"],
    ["an unknown table", "AppMetric | count"],
    ["an unknown function", "AppMetrics | extend a = toStrin(Sum)"],
    ["a misspelt operator", "AppMetrics | summarise count()"],
    ["half a condition", "AppMetrics | where Sum > 3 and"],
  ])("the parser refuses %s", (_what, kql) => {
    expect(judge(kql).problems).not.toEqual([]);
  });

  it("every query of the workbook and of an alert has an id of its own and is in docs/operate.md", () => {
    const ids = [...SHOWN, ...RULES].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !DOCUMENTED_QUERIES.has(id))).toEqual([]);
  });

  it.each(SHOWN.filter(({ chart }) => chart === "time"))("the time chart $id has a time and a number", ({ kql }) => {
    const { columns } = judge(kql);
    expect(columns).toContain("TimeGenerated");
    expect(columns.length).toBeGreaterThan(1);
  });
});

describe("alerts with a query", () => {
  it.each(RULES)("the alert $id is split by columns that its rows have", ({ kql, splitBy }) => {
    expect(judge(kql).columns).toEqual(expect.arrayContaining([...splitBy]));
  });

  it("the queries contain the limits of the stack", () => {
    const rules = planQueryAlerts({ oldestWaitingMinutes: 7, failurePercent: 33, hasDailyCap: false });
    const kqlOf = (id: string): string => rules.find((rule) => rule.id === id)?.kql ?? "";
    expect(kqlOf("oldest-waiting")).toMatch(/minutes > 7$/);
    expect(kqlOf("job-failures")).toContain("100 * failed > 33 * ended");
  });

  it("only a stack with a daily limit has an alert for it", () => {
    const idsWith = (hasDailyCap: boolean) =>
      planQueryAlerts({ ...DEFAULT_ALERT_LIMITS, hasDailyCap }).map(({ id }) => id);
    expect(idsWith(true)).toEqual([...idsWith(false), "telemetry-cap"]);
  });

  it("every alert has an id of its own", () => {
    expect(new Set(ALERTS.map(({ id }) => id)).size).toBe(ALERTS.length);
  });
});
