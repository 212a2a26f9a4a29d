/** A question about a deployment, with the query that answers it. Workbook, alerts and docs/operate.md share the text. */

export interface Query {
  /** Unique among all queries. docs/operate.md shows the query under this name. */
  readonly id: string;
  /** What the answer shows, as the title of a panel. */
  readonly title: string;
  /** KQL over the tables of the Log Analytics workspace. The caller gives the time range. */
  readonly kql: string;
  /** How the workbook shows the answer. */
  readonly chart: "table" | "time" | "bars";
}

export const query = (id: string, title: string, chart: Query["chart"], ...lines: readonly string[]): Query => ({
  id,
  title,
  chart,
  kql: lines.join("\n"),
});
