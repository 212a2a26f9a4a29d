/** Generates the tables of docs/deploy.md from the code: settings, permissions, costs. A test compares them. */
import { busTopology } from "../../runtime/core/deployment/topology.ts";
import {
  costOf,
  IDLE_DEV,
  IDLE_PROD,
  PER_API_INSTANCE,
  PER_MILLION_JOBS,
  total,
  type CostLine,
} from "../plan/costs.ts";
import { planGrants, roleTitle, type Grant, type GrantScope } from "../plan/grants.ts";
import { SETTINGS } from "../plan/settings.ts";

type Table = readonly (readonly string[])[];

const code = (text: string): string => `\`${text}\``;
/** A default, in the form of the stack's file. */
const shown = (value: unknown): string =>
  value === undefined ? "–" : code(typeof value === "string" ? value : JSON.stringify(value));

const settingsTable = (): Table => [
  ["key", "default", "allowed", "meaning", "change"],
  ...Object.entries(SETTINGS).map(([name, { fallback, allowed, meaning, change }]) => [
    code(name),
    shown(fallback),
    allowed,
    meaning,
    change,
  ]),
];

/** For one pool. Other pools have the same, on their own queues and machines. */
function grantsTable(): Table {
  const topology = busTopology(["default"]);
  const grants = planGrants({ topology, pools: ["default"], runtimeRegistration: true });
  return [
    ["who", "role", "on", "why"],
    ...grants.map((grant) => [whoOf(grant), roleTitle(grant.role), onOf(grant.scope), grant.why]),
  ];
}

const whoOf = ({ to }: Grant): string => (to.kind === "api" ? "API" : "workers of a pool");

function onOf(scope: GrantScope): string {
  switch (scope.kind) {
    case "releases":
      return "container `releases`";
    case "telemetry":
      return "Application Insights";
    case "scaleSet":
      return "the pool's scale set";
    case "table":
    case "container":
    case "queue":
    case "topic":
      return `${scope.kind} ${code(scope.name)}`;
  }
}

const dollars = (amount: number): string => `$${amount.toFixed(2)}`;

const costRow = (line: CostLine): readonly string[] => [
  line.what,
  `$${line.unitPrice} ${line.unit === "hour" ? "an" : "a"} ${line.unit}`,
  String(line.quantity),
  dollars(costOf(line)),
];

const costTable = (lines: readonly CostLine[]): Table => [
  ["what", "price", "quantity", "cost"],
  ...lines.map(costRow),
  ["**together**", "", "", `**${dollars(total(lines))}**`],
];

/** By the marker before each table in the document. */
const DEPLOY_TABLES: Readonly<Record<string, () => Table>> = {
  settings: settingsTable,
  permissions: grantsTable,
  "cost-idle-dev": () => costTable(IDLE_DEV),
  "cost-idle-prod": () => costTable(IDLE_PROD),
  "cost-per-million-jobs": () => [...costTable(PER_MILLION_JOBS), costRow(PER_API_INSTANCE)],
};

const markdown = ([head = [], ...rows]: Table): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** The text between a table's marker and the next text. */
const place = (name: string): RegExp => new RegExp(`(<!-- table: ${name} -->\n)(?:\n?\\|[^\n]*\n)*`);

/** Returns the document with every table generated from the code. Throws RangeError if a marker is missing. */
export function withTables(document: string): string {
  return Object.entries(DEPLOY_TABLES).reduce((text, [name, table]) => {
    if (!place(name).test(text)) throw new RangeError(`docs/deploy.md has no marker for the table ${name}.`);
    return text.replace(place(name), (_whole, marker: string) => `${marker}\n${markdown(table())}\n`);
  }, document);
}
