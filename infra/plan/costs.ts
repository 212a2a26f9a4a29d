/**
 * The monthly cost of a stack, computed from list prices. Prices are in US dollars before discounts and are for planning
 * only. The current prices of a region are in https://azure.microsoft.com/pricing/calculator.
 */

const HOURS_A_MONTH = 730;

export interface CostLine {
  readonly what: string;
  /** The cost is price × quantity. */
  readonly unitPrice: number;
  readonly unit: string;
  readonly quantity: number;
}

/** List prices. */
const PRICE = {
  planB1Hour: 0.018,
  planP0v3Hour: 0.085,
  busBaseMonth: 9.81,
  vmD2asHour: 0.086,
  disk64GbMonth: 4.8,
  natHour: 0.045,
  natGb: 0.045,
  publicIpHour: 0.005,
  alertMonth: 0.1,
  logGb: 2.3,
  busMillionOperations: 0.8,
  tableMillionTransactions: 0.036,
  blobMillionWrites: 5,
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

export const IDLE_DEV: readonly CostLine[] = [
  hourly("App Service plan B1", PRICE.planB1Hour),
  monthly("Service Bus Standard, with the first 13 million operations", PRICE.busBaseMonth),
  ALERTS,
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
];

/** A job that succeeds at once: bell sent, received, completed; row inserted, claimed, settled; log created, appended. */
const PER_JOB = { busOperations: 3, tableTransactions: 3, blobWrites: 2 } as const;
const SECONDS_A_JOB = 1;

export const PER_MILLION_JOBS: readonly CostLine[] = [
  {
    what: "Service Bus: send, receive, complete",
    unitPrice: PRICE.busMillionOperations,
    unit: "million operations",
    quantity: PER_JOB.busOperations,
  },
  {
    what: "tables: insert, claim, settle (upper bound; concurrent writes share a transaction)",
    unitPrice: PRICE.tableMillionTransactions,
    unit: "million transactions",
    quantity: PER_JOB.tableTransactions,
  },
  {
    what: "blobs: a job's log, created and written once",
    unitPrice: PRICE.blobMillionWrites,
    unit: "million writes",
    quantity: PER_JOB.blobWrites,
  },
  {
    what: `machines: ${SECONDS_A_JOB} s per job on one slot that is always busy`,
    unitPrice: PRICE.vmD2asHour,
    unit: "hour",
    quantity: Math.round((1_000_000 * SECONDS_A_JOB) / 3_600),
  },
];

export const costOf = ({ unitPrice, quantity }: CostLine): number => unitPrice * quantity;
export const total = (lines: readonly CostLine[]): number => lines.reduce((sum, line) => sum + costOf(line), 0);
