/**
 * The monthly cost of a stack, computed from list prices. Prices are in US dollars before discounts and are for planning
 * only. The current prices of a region are in https://azure.microsoft.com/pricing/calculator.
 */

import {
  bellOperationsOf,
  eventOperationsOf,
  LOG_BLOB_WRITES,
  SINGLE_JOB,
  tableRequestsOf,
} from "./operations-per-job.ts";
import { SETTINGS } from "./settings.ts";
import { gigabytesOf, metricsOfMonth, telemetryOfMillionJobs } from "./telemetry-size.ts";

const HOURS_A_MONTH = 730;

export interface CostLine {
  readonly what: string;
  /** The cost is price × quantity. */
  readonly unitPrice: number;
  readonly unit: string;
  readonly quantity: number;
}

/** List prices. */
export const PRICE = {
  planB1Hour: 0.018,
  planP0v3Hour: 0.085,
  busBaseMonth: 9.81,
  vmD2asHour: 0.086,
  disk64GbMonth: 4.8,
  natHour: 0.045,
  natGb: 0.045,
  publicIpHour: 0.005,
  alertMonth: 0.1,
  /** Evaluated every 15 minutes. */
  queryAlertMonth: 0.5,
  logGb: 2.3,
  busMillionOperations: 0.8,
  tableMillionTransactions: 0.036,
  blobMillionWrites: 5,
  blobMillionReads: 0.4,
} as const;

const hourly = (what: string, unitPrice: number, count = 1): CostLine => ({
  what,
  unitPrice,
  unit: "hour",
  quantity: count * HOURS_A_MONTH,
});
const monthly = (what: string, unitPrice: number, quantity = 1): CostLine => ({
  what,
  unitPrice,
  unit: "month",
  quantity,
});

/** With the default pool only. Each queue and topic is a series of its own, and Azure bills by series. */
const ALERTS = monthly("alert series (two for each of 3 queues and 2 topics, 4 more)", PRICE.alertMonth, 14);

const queryAlerts = (count: number): CostLine => monthly("alert rules with a query", PRICE.queryAlertMonth, count);

export const IDLE_DEV: readonly CostLine[] = [
  hourly("App Service plan B1", PRICE.planB1Hour),
  monthly("Service Bus Standard, with the first 13 million operations", PRICE.busBaseMonth),
  { what: "metrics of the API", unitPrice: PRICE.logGb, unit: "GB", quantity: gigabytesOf(metricsOfMonth("api")) },
  ALERTS,
  // One more than without a daily limit.
  queryAlerts(8),
];

export const IDLE_PROD: readonly CostLine[] = [
  hourly("App Service plan P0v3, two instances", PRICE.planP0v3Hour, 2),
  monthly("Service Bus Standard, with the first 13 million operations", PRICE.busBaseMonth),
  hourly("one worker Standard_D2as_v5", PRICE.vmD2asHour),
  monthly("its disk of 64 GB (Standard SSD)", PRICE.disk64GbMonth),
  hourly("NAT gateway", PRICE.natHour),
  hourly("its public address", PRICE.publicIpHour),
  { what: "logs and telemetry", unitPrice: PRICE.logGb, unit: "GB", quantity: 5 },
  ALERTS,
  queryAlerts(7),
];

const SECONDS_A_JOB = 1;

const MILLION_BUS = { unitPrice: PRICE.busMillionOperations, unit: "million operations" } as const;

/** Of single jobs, so an upper bound: many at a time share transactions and reads. */
export const PER_MILLION_JOBS: readonly CostLine[] = withoutFree([
  {
    ...MILLION_BUS,
    what: "Service Bus: send, receive and settle the message of a job",
    quantity: bellOperationsOf(SINGLE_JOB),
  },
  {
    ...MILLION_BUS,
    what: "Service Bus: its events, with one API instance",
    quantity: eventOperationsOf(SINGLE_JOB, 1),
  },
  {
    unitPrice: PRICE.tableMillionTransactions,
    unit: "million transactions",
    what: "tables: reads and transactions (many jobs at a time share them)",
    quantity: tableRequestsOf(SINGLE_JOB),
  },
  {
    unitPrice: PRICE.blobMillionReads,
    unit: "million reads",
    what: "blobs: is the package still the same?",
    quantity: SINGLE_JOB.blobReads,
  },
  {
    unitPrice: PRICE.blobMillionWrites,
    unit: "million writes",
    what: "blobs: the log of a job that logs, created and written once",
    quantity: LOG_BLOB_WRITES,
  },
  ...telemetryOfMillionJobs(SETTINGS.traceRatio.fallback).map((line) => ({
    what: `telemetry: ${line.what}`,
    unitPrice: PRICE.logGb,
    unit: "GB",
    quantity: gigabytesOf(line),
  })),
  {
    what: `machines: ${SECONDS_A_JOB} s per job on one slot that is always busy`,
    unitPrice: PRICE.vmD2asHour,
    unit: "hour",
    quantity: Math.round((1_000_000 * SECONDS_A_JOB) / 3_600),
  },
]);

/** What another instance of the API adds, because each instance hears every event. */
export const PER_API_INSTANCE: CostLine = {
  ...MILLION_BUS,
  what: "Service Bus: events of a million jobs, for each further API instance",
  quantity: eventOperationsOf(SINGLE_JOB, 2) - eventOperationsOf(SINGLE_JOB, 1),
};

export const costOf = ({ unitPrice, quantity }: CostLine): number => unitPrice * quantity;
export const total = (lines: readonly CostLine[]): number => lines.reduce((sum, line) => sum + costOf(line), 0);

/** A line that costs nothing would only raise questions. */
function withoutFree(lines: readonly CostLine[]): readonly CostLine[] {
  return lines.filter(({ quantity }) => quantity > 0);
}
