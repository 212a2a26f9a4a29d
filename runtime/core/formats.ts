/**
 * Every format in which one release leaves something that another release reads. This is the only list: versions are taken
 * from here, an error about something unreadable names one of these, and test/fixtures/formats has an example of each.
 * The rules for changing one are in docs/compatibility.md.
 */

interface Format {
  readonly lies: string;
  /** Written into it. Absent: the format has no version; it grows by fields that may be missing. */
  readonly version?: number;
}

export const FORMATS = {
  bell: { lies: "a message in a job queue", version: 1 },
  tick: { lies: "a message in topic timers and a job queue", version: 1 },
  event: { lies: "a message in topic job-events", version: 1 },
  manifest: { lies: "job.json in a package", version: 1 },
  packageFacts: { lies: "metadata of a package's blob" },
  releasePointer: { lies: "blob worker/current.json in container releases" },
  claimJournal: { lies: "a file on a worker's disk, read by the next start" },
  job: { lies: "a row of table jobs" },
  counter: { lies: "a row of table jobs, one per writer and partition" },
  batch: { lies: "a row of table batches" },
  timer: { lies: "a row of table timers: what a timer should do" },
  timerRun: { lies: "a row of table timers: what it does" },
  line: { lies: "a row of table gates: a limit and where its line ends" },
  place: { lies: "a row of table gates: a job's place in a line" },
  worker: { lies: "a row of table workers" },
  key: { lies: "a row of table keys" },
  uniqueKey: { lies: "a row of table keys: which job holds a unique key" },
  tenant: { lies: "a row of table tenants" },
  quota: { lies: "a row of table tenants: quotas of a tenant, and what it has used" },
  grant: { lies: "a row of table tenants" },
  retention: { lies: "a row of table tenants" },
  erasure: { lies: "a row of table tenants: how far the erasing of a tenant is, and what it has removed" },
  webhook: { lies: "a row of table webhooks" },
  setting: { lies: "a row of table settings" },
  action: { lies: "a row of table actions" },
  indexEntry: { lies: "a row of table index" },
  identityGrant: { lies: "a row of table settings" },
  pause: { lies: "a row of table settings" },
  runningLimit: { lies: "a row of table settings: how many jobs of a tenant may run at once" },
  sweepNote: { lies: "a row of table settings: when the sweeper last ended a round" },
  waitingNote: { lies: "a row of table jobs: a batch has jobs that wait without a bell" },
  delivery: { lies: "a row of table webhooks" },
  audit: { lies: "a row of table audit" },
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof FORMATS;
