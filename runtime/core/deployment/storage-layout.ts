/**
 * Every table and blob container of the system, as data. Infra makes Azure resources of it, the local stack local ones:
 * there is no second list.
 */

/**
 * Table names. `batches`: PK tenant; `jobs`: PK `{batchId}.{shard}`, also holding the counter rows `~{writerId}`, and
 * `~waiting` (RK `{queue}.{batchId}`) for batches with jobs that wait without a bell; `keys`: PK tenant; `workers`: PK
 * pool; `tenants`: PK `tenant` (RK tenant), `grant.{principalId}` (RK tenant), `retention`, `quota` and `erasure`
 * (RK tenant) and `secret` (RK what it is for); `timers`: PK tenant, RK `{package}.{timer}` for what a timer should do and `~{id}`, from its
 * batch, for what it does; `webhooks`: PK tenant (RK name), `~waiting` and `{tenant}.{webhookId}` (deliveries);
 * `settings`: PK `{tenant}.{package}` (RK name), tenant (RK pool) for grants on the identity of a pool, `~paused`
 * for what is paused, and `~sweeper` for its last round; `index`: PK `{tenant}.{state}` (RK newest first) and `{tenant}.tags` (RK `{tag}!` and newest
 * first); `audit`: PK tenant and `~system` (RK inverted time and id); `gates`: PK `{tenant}.{hash of a limit's kind,
 * job type and key}`, RK `head`, and two for each place in its line; `actions`: PK tenant (RK the action's id), and
 * `~running`.
 */
export const TABLES = {
  batches: "batches",
  jobs: "jobs",
  keys: "keys",
  workers: "workers",
  tenants: "tenants",
  timers: "timers",
  webhooks: "webhooks",
  settings: "settings",
  audit: "audit",
  index: "index",
  gates: "gates",
  actions: "actions",
} as const;

/** Blob containers. Packages lie at `{tenantName}/{package}.zip`; the others at `{tenantName}/{jobId}/…`. */
export const CONTAINERS = {
  packages: "jobprocessorfiles",
  logs: "job-logs",
  output: "job-output",
  input: "job-input",
  /** Empty blobs whose leases elect one process for a duty. */
  leases: "leases",
} as const;

/**
 * Where deployed code lies, in a storage account of its own. The pointer (core/ports/release-reader.ts) is replaced with every
 * deployment and may be absent for a moment; what it points at never changes.
 */
export const RELEASES = {
  container: "releases",
  workerPointer: "worker/current.json",
  /** In the API's package: job packages that it publishes when it starts. */
  packagesFolder: "packages",
  /** In the API's package: the dashboard's built pages. */
  webFolder: "web",
} as const;
