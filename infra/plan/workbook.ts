/** The workbook in the Azure portal that shows queues, workers and API, as the JSON that Azure stores. */

export interface WorkbookTargets {
  readonly busId: string;
  readonly apiId: string;
  /** Scale sets by pool. */
  readonly pools: Readonly<Record<string, string>>;
}

interface MetricPanel {
  readonly title: string;
  readonly resourceType: string;
  readonly resourceIds: readonly string[];
  readonly metrics: readonly { readonly name: string; readonly aggregation: Aggregation; readonly splitBy?: string }[];
}

type Aggregation = "total" | "average" | "maximum";

/** Azure's numbers for aggregations. */
const AGGREGATION: Readonly<Record<Aggregation, number>> = { total: 1, maximum: 3, average: 4 };
const DAY_MS = 24 * 60 * 60_000;
/** Azure's numbers for kinds of workbook items. */
const TEXT = 1;
const QUERY = 3;
const METRICS = 10;

/** The same targets give the same text. */
export function workbookJson({ busId, apiId, pools }: WorkbookTargets): string {
  const bus = "microsoft.servicebus/namespaces";
  const panels: readonly MetricPanel[] = [
    {
      title: "Waiting and running messages by queue",
      resourceType: bus,
      resourceIds: [busId],
      metrics: [{ name: "ActiveMessages", aggregation: "average", splitBy: "EntityName" }],
    },
    {
      title: "Dead letters by queue",
      resourceType: bus,
      resourceIds: [busId],
      metrics: [{ name: "DeadletteredMessages", aggregation: "maximum", splitBy: "EntityName" }],
    },
    {
      title: "Bells sent and received",
      resourceType: bus,
      resourceIds: [busId],
      metrics: [
        { name: "IncomingMessages", aggregation: "total" },
        { name: "CompleteMessage", aggregation: "total" },
        { name: "ThrottledRequests", aggregation: "total" },
      ],
    },
    ...Object.entries(pools).map(([pool, id]) => ({
      title: `Workers of pool ${pool}: processor load and availability`,
      resourceType: "microsoft.compute/virtualmachinescalesets",
      resourceIds: [id],
      metrics: [
        { name: "Percentage CPU", aggregation: "average" as const },
        { name: "VmAvailabilityMetric", aggregation: "total" as const },
      ],
    })),
    {
      title: "API",
      resourceType: "microsoft.web/sites",
      resourceIds: [apiId],
      metrics: [
        { name: "Requests", aggregation: "total" },
        { name: "Http5xx", aggregation: "total" },
        { name: "HttpResponseTime", aggregation: "average" },
      ],
    },
  ];
  const items = [
    { type: TEXT, name: "intro", content: { json: "## Jobyard\nQueues, workers and API of this deployment." } },
    ...panels.map(metricItem),
    queryItem("Autoscale decisions and reasons", [
      "AutoscaleScaleActionsLog",
      "| project TimeGenerated, ResourceId, CurrentInstanceCount, NewInstanceCount, ScaleDirection, ResultType",
      "| order by TimeGenerated desc | take 100",
    ]),
    queryItem("Latest log lines of the API", [
      "AppServiceConsoleLogs",
      "| project TimeGenerated, Level, ResultDescription",
      "| order by TimeGenerated desc | take 200",
    ]),
  ];
  return JSON.stringify({ version: "Notebook/1.0", items, isLocked: false });
}

const metricItem = ({ title, resourceType, resourceIds, metrics }: MetricPanel, index: number) => ({
  type: METRICS,
  name: `metric ${index}`,
  content: {
    chartId: `chart-${index}`,
    version: "MetricsItem/2.0",
    size: 0,
    chartType: 2,
    title,
    resourceType,
    metricScope: 0,
    resourceIds,
    timeContext: { durationMs: DAY_MS },
    metrics: metrics.map(({ name, aggregation, splitBy }) => ({
      namespace: resourceType,
      metric: `${resourceType}--${name}`,
      aggregation: AGGREGATION[aggregation],
      ...(splitBy === undefined ? {} : { splitBy }),
    })),
  },
});

const queryItem = (title: string, lines: readonly string[]) => ({
  type: QUERY,
  name: title,
  content: {
    version: "KqlItem/1.0",
    query: lines.join("\n"),
    size: 0,
    title,
    timeContext: { durationMs: DAY_MS },
    queryType: 0,
    resourceType: "microsoft.operationalinsights/workspaces",
  },
});
