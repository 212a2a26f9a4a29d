/**
 * What a job asks of the services that bill by operation. These are upper bounds: a test counts the operations on the wire
 * and holds them against this table, and the costs are computed from it. Whoever makes a job cheaper lowers a number here.
 */

export interface OperationsPerJob {
  readonly tableTransactions: number;
  readonly tableReads: number;
  readonly bellsSent: number;
  readonly bellsReceived: number;
  readonly bellsSettled: number;
  readonly eventsSent: number;
  /** By each instance of the API. */
  readonly eventsReceived: number;
  /** By each instance of the API. */
  readonly eventsSettled: number;
  readonly blobReads: number;
  readonly blobWrites: number;
}

/** A job that succeeds at once, submitted alone while nothing else happens. Its stack publishes `terminal` events. */
export const SINGLE_JOB: OperationsPerJob = {
  // Two of them note it in the index.
  tableTransactions: 5,
  // Its batch three times, and a write: it is no longer noted as queued.
  tableReads: 4,
  bellsSent: 1,
  bellsReceived: 1,
  bellsSettled: 1,
  eventsSent: 1,
  eventsReceived: 1,
  eventsSettled: 0,
  blobReads: 1,
  blobWrites: 0,
};

/** The same where all events are published: that it is queued, that it has started, that it has ended. */
export const JOB_WITH_ALL_EVENTS: OperationsPerJob = { ...SINGLE_JOB, eventsSent: 3, eventsReceived: 3 };

/** One of many jobs that were submitted together and run on the 64 slots of a worker. */
export const CROWDED_JOB: OperationsPerJob = {
  ...SINGLE_JOB,
  tableTransactions: 0.3,
  tableReads: 0.1,
  blobReads: 0.05,
};

/** A job that logs adds these: its log is created and written once. */
export const LOG_BLOB_WRITES = 2;

/** Every Service Bus operation costs the same. */
export const bellOperationsOf = (job: OperationsPerJob): number => job.bellsSent + job.bellsReceived + job.bellsSettled;

export const eventOperationsOf = (job: OperationsPerJob, apiInstances: number): number =>
  job.eventsSent + apiInstances * (job.eventsReceived + job.eventsSettled);

export const tableRequestsOf = (job: OperationsPerJob): number => job.tableTransactions + job.tableReads;
