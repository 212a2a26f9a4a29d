/**
 * Every table and blob container of the system, as data. Infra makes Azure resources of it, the local stack local ones:
 * there is no second list.
 */

/**
 * Table names. `batches`: PK tenant; `jobs`: PK `{batchId}.{shard}`, also holding the counter rows `~{writerId}`;
 * `keys`: PK tenant; `workers`: PK pool; `tenants`: PK `tenant` (RK tenant), `grant.{principalId}` (RK tenant)
 * and `secret` (RK what it is for); `timers`: PK tenant, RK `{package}.{timer}` for what a timer should do and `~{id}`,
 * from its batch, for what it does; `webhooks`: PK tenant (RK name), `~waiting` and `{tenant}.{webhookId}` (deliveries);
 * `settings`: PK `{tenant}.{package}` (RK name), and tenant (RK pool) for grants on the identity of a pool;
 * `index`: PK `{tenant}.{state}` (RK newest first) and `{tenant}.tags` (RK `{tag}!` and newest first);
 * `actions`: PK tenant (RK the action's id), and `~running`.
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
  index: "index",
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
} as const;
