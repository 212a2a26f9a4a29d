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
import { code, withTables, type Table } from "./generated-parts.ts";

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
    case "secrets":
      return "the Key Vault";
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

/** Returns docs/deploy.md with every table generated from the code. Throws RangeError if a marker is missing. */
export const withDeployTables = (document: string): string => withTables(document, DEPLOY_TABLES);
