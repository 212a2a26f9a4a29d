/** Names of figures that one suite reports and the goals are about. */

export const FLOOR = {
  userCode: "all calls until user code runs",
  clientKnows: "all calls until the client knows",
  forkMs: "fork until user code runs",
  forkRate: "fork per job, 4 at a time",
  inserts: "single inserts, 32 in flight",
  transactions: "rows in transactions of 99, 16 in flight",
} as const;

export const OPERATIONS = {
  tables: "single job: table requests",
  bus: (apis: number): string => `single job, ${apis} API: Service Bus operations`,
  blobs: "single job: blob requests",
  crowdedTables: "64 slots: table requests per job",
  dollars: "messaging and tables of a million single jobs",
} as const;
