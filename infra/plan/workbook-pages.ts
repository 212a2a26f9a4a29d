/** The pages of the workbook in the Azure portal, as data. */
import { JOB_TYPE_QUERIES, OVERVIEW_QUERIES, TENANT_QUERIES } from "./queries/job-queries.ts";
import type { Query } from "./queries/query.ts";
import { PROCESS_QUERIES, TIMER_QUERIES, WORKER_QUERIES } from "./queries/system-queries.ts";

export interface WorkbookTargets {
  readonly workspaceId: string;
  readonly busId: string;
  readonly apiId: string;
  /** Scale sets by pool. */
  readonly pools: Readonly<Record<string, string>>;
}

/** Charts of Azure's own metrics of one resource. */
export interface MetricPanel {
  readonly title: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly metrics: readonly { readonly name: string; readonly aggregation: Aggregation; readonly splitBy?: string }[];
}

export type Aggregation = "total" | "average" | "maximum";

export interface Page {
  readonly title: string;
  readonly queries: readonly Query[];
  readonly metrics: readonly MetricPanel[];
}

export const workbookPages = ({ busId, apiId, pools }: WorkbookTargets): readonly Page[] => [
  {
    title: "Overview",
    queries: [...OVERVIEW_QUERIES, ...PROCESS_QUERIES],
    metrics: [
      onBus(busId, "Dead letters by queue", [
        { name: "DeadletteredMessages", aggregation: "maximum", splitBy: "EntityName" },
      ]),
      onBus(busId, "Messages received, settled and refused", [
        { name: "IncomingMessages", aggregation: "total" },
        { name: "CompleteMessage", aggregation: "total" },
        { name: "ThrottledRequests", aggregation: "total" },
      ]),
      {
        title: "API",
        resourceType: "microsoft.web/sites",
        resourceId: apiId,
        metrics: [
          { name: "Requests", aggregation: "total" },
          { name: "Http5xx", aggregation: "total" },
          { name: "HttpResponseTime", aggregation: "average" },
        ],
      },
    ],
  },
  { title: "Job types", queries: JOB_TYPE_QUERIES, metrics: [] },
  { title: "Tenants", queries: TENANT_QUERIES, metrics: [] },
  { title: "Timers", queries: TIMER_QUERIES, metrics: [] },
  {
    title: "Workers and autoscale",
    queries: WORKER_QUERIES,
    metrics: [
      // What the autoscale rules read.
      onBus(busId, "Waiting and running messages by queue", [
        { name: "ActiveMessages", aggregation: "average", splitBy: "EntityName" },
      ]),
      ...Object.entries(pools).map(([pool, resourceId]) => ({
        title: `Workers of pool ${pool}: processor load and availability`,
        resourceType: "microsoft.compute/virtualmachinescalesets",
        resourceId,
        metrics: [
          { name: "Percentage CPU", aggregation: "average" as const },
          { name: "VmAvailabilityMetric", aggregation: "total" as const },
        ],
      })),
    ],
  },
];

const onBus = (resourceId: string, title: string, metrics: MetricPanel["metrics"]): MetricPanel => ({
  title,
  resourceType: "microsoft.servicebus/namespaces",
  resourceId,
  metrics,
});
