/** Queries about timers, workers, autoscale, processes, and the size of the telemetry. */
import { rowsOf, rowsOfAny } from "./metrics.ts";
import { query, type Query } from "./query.ts";

export const TIMER_QUERIES: readonly Query[] = [
  query(
    "timers",
    "Ticks of timers by outcome",
    "table",
    rowsOf("jobyard.timer.runs", "tenant", "timer", "outcome"),
    '| summarize started = sumif(Sum, outcome == "started"), late = sumif(Sum, outcome == "late"),',
    '    skipped = sumif(Sum, outcome == "skipped"), missed = sumif(Sum, outcome == "missed") by tenant, timer',
    "| order by missed desc, late desc",
  ),
  query(
    "timer-ticks",
    "Ticks that did not start a run on time",
    "time",
    rowsOf("jobyard.timer.runs", "outcome"),
    '| where outcome != "started"',
    "| summarize ticks = sum(Sum) by outcome, bin(TimeGenerated, 15m)",
  ),
];

export const WORKER_QUERIES: readonly Query[] = [
  query(
    "workers",
    "Workers by pool",
    "time",
    rowsOf("jobyard.worker.slots", "pool"),
    "| summarize workers = dcount(AppRoleInstance) by pool, bin(TimeGenerated, 5m)",
  ),
  query(
    "slots",
    "Slots and slots in use",
    "time",
    rowsOfAny("jobyard.worker.slots", "jobyard.worker.slots.used"),
    '| summarize slots = avg(Sum) by Name, pool = tostring(Properties["pool"]), AppRoleInstance, bin(TimeGenerated, 5m)',
    '| summarize slots = sum(slots) by series = strcat(pool, " ", Name), TimeGenerated',
  ),
  query(
    "receivers-replaced",
    "Links that were replaced because they received nothing",
    "table",
    rowsOf("jobyard.worker.receivers.replaced", "pool"),
    "| summarize replaced = sum(Sum), latest = max(TimeGenerated) by pool, AppRoleInstance",
    "| order by replaced desc",
  ),
  query(
    "package-cache",
    "Lookups in the package cache",
    "bars",
    rowsOf("jobyard.package.cache.lookups", "pool", "outcome"),
    '| summarize lookups = sum(Sum) by result = strcat(pool, " ", outcome)',
  ),
  query(
    "autoscale",
    "Autoscale decisions and reasons",
    "table",
    "AutoscaleScaleActionsLog",
    "| project TimeGenerated, ResourceId, CurrentInstanceCount, NewInstanceCount, ScaleDirection, ResultType",
    "| order by TimeGenerated desc",
    "| take 100",
  ),
];

/** The last panels of the overview. */
export const PROCESS_QUERIES: readonly Query[] = [
  query(
    "telemetry-size",
    "Billed telemetry by table, in GB",
    "bars",
    "Usage | where IsBillable",
    "| summarize gigabytes = sum(Quantity) / 1000 by DataType",
    "| order by gigabytes desc",
  ),
  query(
    "processes",
    "Memory and event loop delay by process",
    "table",
    rowsOfAny("jobyard.process.memory", "jobyard.process.loop.delay"),
    '| summarize megabytes = round(maxif(Sum, Name == "jobyard.process.memory") / 1e6),',
    '    delayMs = round(1000 * maxif(Sum, Name == "jobyard.process.loop.delay")) by AppRoleName, AppRoleInstance',
    "| order by delayMs desc",
  ),
  query(
    "api-console",
    "Latest lines that the API wrote to its console",
    "table",
    "AppServiceConsoleLogs",
    "| project TimeGenerated, Level, ResultDescription",
    "| order by TimeGenerated desc",
    "| take 200",
  ),
];
