/**
 * The workbook in the Azure portal, as the JSON that Azure stores. `workbook-pages.ts` says what it shows.
 * https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-automate
 */
import type { Query } from "./queries/query.ts";
import { stableUuid } from "./stable-id.ts";
import {
  workbookPages,
  type Aggregation,
  type MetricPanel,
  type Page,
  type WorkbookTargets,
} from "./workbook-pages.ts";

/** Azure's numbers for aggregations. */
const AGGREGATION: Readonly<Record<Aggregation, number>> = { total: 1, maximum: 3, average: 4 };
/** Azure's numbers for kinds of workbook items. */
const ITEM = { query: 3, parameters: 9, metrics: 10, links: 11, group: 12 } as const;
/** Azure's number for a parameter that is a time range. */
const TIME_RANGE = 4;
const VISUALIZATION: Readonly<Record<Query["chart"], string>> = {
  table: "table",
  time: "timechart",
  bars: "barchart",
};

const WORKSPACE = "microsoft.operationalinsights/workspaces";
const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** Names of the parameters that the reader of the workbook sets. */
const RANGE = "Range";
const PAGE = "page";

/** The same targets give the same text. */
export function workbookJson(targets: WorkbookTargets): string {
  const pages = workbookPages(targets);
  return JSON.stringify({
    version: "Notebook/1.0",
    items: [rangeItem, tabsItem(pages), ...pages.map(pageItem)],
    isLocked: false,
    // The queries have no resource of their own.
    fallbackResourceIds: [targets.workspaceId],
  });
}

const rangeItem = {
  type: ITEM.parameters,
  name: "range",
  content: {
    version: "KqlParameterItem/1.0",
    parameters: [
      {
        id: stableUuid("workbook", RANGE),
        version: "KqlParameterItem/1.0",
        name: RANGE,
        type: TIME_RANGE,
        isRequired: true,
        value: { durationMs: DAY_MS },
        typeSettings: {
          selectableValues: [1, 4, 24, 3 * 24, 7 * 24, 30 * 24].map((hours) => ({ durationMs: hours * HOUR_MS })),
          allowCustom: true,
        },
      },
    ],
    style: "pills",
    queryType: 0,
    resourceType: WORKSPACE,
  },
};

/** The value of the parameter that selects a page. */
const idOf = ({ title }: Page): string => title.toLowerCase().replaceAll(" ", "-");

/** The first tab is the one that is shown first. */
const tabsItem = (pages: readonly Page[]) => ({
  type: ITEM.links,
  name: "pages",
  content: {
    version: "LinkItem/1.0",
    style: "tabs",
    links: pages.map((page) => ({
      id: stableUuid("workbook", idOf(page)),
      cellValue: PAGE,
      linkTarget: "parameter",
      linkLabel: page.title,
      subTarget: idOf(page),
      style: "link",
    })),
  },
});

const pageItem = (page: Page) => ({
  type: ITEM.group,
  name: idOf(page),
  conditionalVisibility: { parameterName: PAGE, comparison: "isEqualTo", value: idOf(page) },
  content: {
    version: "NotebookGroup/1.0",
    groupType: "editable",
    items: [
      ...page.queries.map(queryItem),
      ...page.metrics.map((panel, index) => metricItem(idOf(page), panel, index)),
    ],
  },
});

const queryItem = ({ id, title, kql, chart }: Query) => ({
  type: ITEM.query,
  name: id,
  content: {
    version: "KqlItem/1.0",
    query: kql,
    size: 0,
    title,
    timeContextFromParameter: RANGE,
    queryType: 0,
    resourceType: WORKSPACE,
    visualization: VISUALIZATION[chart],
  },
});

const metricItem = (page: string, { title, resourceType, resourceId, metrics }: MetricPanel, index: number) => ({
  type: ITEM.metrics,
  name: `${page}-metric-${index}`,
  content: {
    chartId: `${page}-chart-${index}`,
    version: "MetricsItem/2.0",
    size: 0,
    chartType: 2,
    title,
    resourceType,
    metricScope: 0,
    resourceIds: [resourceId],
    timeContextFromParameter: RANGE,
    timeContext: { durationMs: DAY_MS },
    metrics: metrics.map(({ name, aggregation, splitBy }) => ({
      namespace: resourceType,
      metric: `${resourceType}--${name}`,
      aggregation: AGGREGATION[aggregation],
      ...(splitBy === undefined ? {} : { splitBy }),
    })),
  },
});
