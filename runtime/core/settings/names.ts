/** The names of all settings of the API and the workers, with meaning and default. */

/** Names of all settings, so that infra and the local stack cannot misspell one. */
export const SETTING = {
  /** Connection string of the storage account; local and tests only. */
  storageConnectionString: "JOBYARD_STORAGE_CONNECTION_STRING",
  /** Connection string of the Service Bus namespace; local and tests only. */
  serviceBusConnectionString: "JOBYARD_SERVICEBUS_CONNECTION_STRING",
  /** Connection string for administration, when it is another one: the local broker's. */
  serviceBusAdminConnectionString: "JOBYARD_SERVICEBUS_ADMIN_CONNECTION_STRING",
  /** Name of the storage account, reached with the process's managed identity. */
  storageAccount: "JOBYARD_STORAGE_ACCOUNT",
  /** Host name of the namespace (`….servicebus.windows.net`), reached with the process's managed identity. */
  serviceBusNamespace: "JOBYARD_SERVICEBUS_NAMESPACE",
  /** Address of the Key Vault with the secrets of packages, as https://name.vault.azure.net. Default: none. */
  keyVault: "JOBYARD_KEY_VAULT",
  /** Folder with the secrets of packages instead; local only. */
  secretsDirectory: "JOBYARD_SECRETS_DIRECTORY",
  /** Address the API binds. Default 127.0.0.1. */
  apiHost: "JOBYARD_API_HOST",
  /** Folder with the built pages of the dashboard. Default: the folder `web` beside the program, if there is one. */
  webDirectory: "JOBYARD_WEB_DIRECTORY",
  /** Port the API binds; 0: any. Default 7070. */
  apiPort: "JOBYARD_API_PORT",
  /** Names an API instance: letters, digits, hyphens. Default "api". */
  instanceId: "JOBYARD_INSTANCE_ID",
  /** `entra` (default): callers bring tokens of Microsoft Entra ID. `none`: no authentication, for loopback only. */
  auth: "JOBYARD_AUTH",
  /** Address of the token issuer. Default https://login.microsoftonline.com. */
  authAuthority: "JOBYARD_AUTH_AUTHORITY",
  /** Id of the Entra tenant (directory) whose users and applications may sign in: a GUID. Required with `entra`. */
  authTenantId: "JOBYARD_AUTH_TENANT_ID",
  /** Client id of the API's app registration: a GUID. Required with `entra`. */
  authClientId: "JOBYARD_AUTH_CLIENT_ID",
  /** Further accepted audiences (Application ID URIs), separated by commas. */
  authAudiences: "JOBYARD_AUTH_AUDIENCES",
  /** Client id of the app registration that CLI and pages sign in with. */
  authPublicClientId: "JOBYARD_AUTH_PUBLIC_CLIENT_ID",
  /** File with the certificate to trust for an authority on this machine; refused for any other. */
  authCaFile: "JOBYARD_AUTH_CA_FILE",
  /** Address of the same issuer for web pages, also over http; refused for any that is not on this machine. */
  authPageAuthority: "JOBYARD_AUTH_PAGE_AUTHORITY",
  /** Names the worker in tables and logs: letters, digits, hyphens. Required; the same after a restart. */
  workerId: "JOBYARD_WORKER_ID",
  /** The pool whose queues the worker serves. Default "default". */
  pool: "JOBYARD_POOL",
  /** All worker pools, separated by commas; for the API. Default "default". */
  pools: "JOBYARD_POOLS",
  /** Tenant that job packages in the folder `packages` beside the API are published to when it starts. Default none. */
  packagesTenant: "JOBYARD_PACKAGES_TENANT",
  /**
   * Who makes the subscriptions of timers. `on` (default): the API, when a package is published; it needs the right to
   * manage topic and queues. `off`: the deployment alone.
   */
  timerRegistration: "JOBYARD_TIMER_REGISTRATION",
  /** Seconds ticks of timers are sent ahead, from 30 to 1800: so long they fire while no API runs. Default 600. */
  tickHorizonSeconds: "JOBYARD_TICK_HORIZON_SECONDS",
  /** Requests one caller may make of an API instance in a minute. Default 3000. */
  requestsPerMinute: "JOBYARD_REQUESTS_PER_MINUTE",
  /** Event streams and connections to the hub that one caller may have at an API instance. Default 200. */
  followersPerCaller: "JOBYARD_FOLLOWERS_PER_CALLER",
  /** Days that entries of the audit are kept. Default 90. */
  auditDays: "JOBYARD_AUDIT_DAYS",
  /** Origins whose web pages may call the API, as `https://app.example.com`, separated by commas. Default none. */
  allowedOrigins: "JOBYARD_ALLOWED_ORIGINS",
  /** Proxies in front of the API whose forwarded addresses are trusted. Default 0; App Service is one. */
  proxyHops: "JOBYARD_PROXY_HOPS",
  /** Jobs a worker runs at a time. Default 1. */
  slots: "JOBYARD_SLOTS",
  /** How often a free slot looks at each priority first, as `high:normal:low`. Default 16:4:1. */
  weights: "JOBYARD_PRIORITY_WEIGHTS",
  /** Version of the deployed code, shown with the worker. Default "local". */
  version: "JOBYARD_VERSION",
  /** Folder for package cache and workspaces. Required. */
  workerDirectory: "JOBYARD_WORKER_DIRECTORY",
  /**
   * For workers of the local system alone: jobs stop for a debugger, as JSON {"port":9229,"sources":{"name.zip":"/folder"}}.
   * Default: none does.
   */
  inspect: "JOBYARD_INSPECT",
  /**
   * Milliseconds for which a worker uses what storage has said about a package. The same for API and workers. Default 1000;
   * 0: it asks before every job.
   */
  packageAnswerMs: "JOBYARD_PACKAGE_ANSWER_MS",
  /**
   * Users that jobs run as, others than the worker's; it needs the right to become them. Linux only. `name-*`: all users
   * `name-1`, `name-2` and so on, each for one job at a time; at least one a slot. `name`: one user for all jobs. Default:
   * the worker's own.
   */
  jobUser: "JOBYARD_JOB_USER",
  /**
   * The identity that jobs get tokens of: client id of a managed identity of this machine; `az`: who is signed in to the Azure
   * command line; `fake`: tokens that no service accepts; or `none`. Default none.
   */
  jobIdentity: "JOBYARD_JOB_IDENTITY",
  /** Seconds that running jobs get when the worker must stop. Default 300. */
  drainSeconds: "JOBYARD_DRAIN_SECONDS",
  /** Lock duration of the job queues in seconds, as they were created. Default 60. */
  lockSeconds: "JOBYARD_LOCK_SECONDS",
  /** Which events are published: all, terminal (the ends of jobs and batches) or none. Default all. */
  events: "JOBYARD_EVENTS",
  /**
   * `allow`: webhooks may name receivers on this machine, also over http; for an API on loopback only. Default refuse.
   */
  webhookLoopback: "JOBYARD_WEBHOOK_LOOPBACK",
  /** Days that rows of ended jobs are kept where the tenant has set nothing; 0: for ever. Default 90. */
  rowRetentionDays: "JOBYARD_ROW_RETENTION_DAYS",
  /** The same for logs of jobs. Default 30. */
  logRetentionDays: "JOBYARD_LOG_RETENTION_DAYS",
  /** The same for artifacts. Default 90. */
  fileRetentionDays: "JOBYARD_FILE_RETENTION_DAYS",
  /** The same for dead letters; 0: as long as rows of failed jobs. Default 30. */
  deadLetterRetentionDays: "JOBYARD_DEAD_LETTER_RETENTION_DAYS",
  /** debug, info, warn, error or silent. Default info. */
  logLevel: "JOBYARD_LOG_LEVEL",
  /** Connection string of Application Insights, which gets traces, metrics and logs. Default: none. */
  applicationInsights: "APPLICATIONINSIGHTS_CONNECTION_STRING",
  /** Address of an OpenTelemetry collector that takes OTLP over HTTP, as http://127.0.0.1:4318. Default: none. */
  otlpEndpoint: "OTEL_EXPORTER_OTLP_ENDPOINT",
  /** Headers for that collector, as name=value,name=value. Default: none. */
  otlpHeaders: "OTEL_EXPORTER_OTLP_HEADERS",
  /** Milliseconds between two exports of metrics. Default 60000. */
  metricsInterval: "OTEL_METRIC_EXPORT_INTERVAL",
  /** The part of traces to export, 0 to 1. A failed step is exported always. Default 0.05. */
  traceRatio: "JOBYARD_TRACE_RATIO",
  /**
   * Address of the instance metadata service, http://169.254.169.254 on Azure. Set it for workers on a Uniform scale set:
   * they then heed scheduled events and protect themselves from scale-in. Default: none.
   */
  metadataUrl: "JOBYARD_METADATA_URL",
  /** Address of Azure Resource Manager. Default https://management.azure.com; sovereign clouds have others. */
  resourceManagerUrl: "JOBYARD_RESOURCE_MANAGER_URL",
  /** required, best-effort or off. Default required where a metadata service is set, else off. */
  scaleInProtection: "JOBYARD_SCALE_IN_PROTECTION",
  /** Seconds a worker without work stays protected from scale-in. Default 300. */
  idleGraceSeconds: "JOBYARD_IDLE_GRACE_SECONDS",
  /** Client id of the managed identity, by the name that Azure's SDKs read too. Default: the machine's only one. */
  identityClientId: "AZURE_CLIENT_ID",
  /** Storage account with the releases: idle workers follow the pointer in it. Default: none is followed. */
  releaseAccount: "JOBYARD_RELEASE_ACCOUNT",
  /** The same as a connection string; local and tests only. */
  releaseConnectionString: "JOBYARD_RELEASE_CONNECTION_STRING",
  /** Seconds between two looks at that pointer. Default 30. */
  releasePollSeconds: "JOBYARD_RELEASE_POLL_SECONDS",
  /** Minutes a busy worker with several slots goes on receiving after it sees a new release. Default 30. */
  releasePatienceMinutes: "JOBYARD_RELEASE_PATIENCE_MINUTES",
  /** Loopback port on which a worker serves /health; 0: any. Default: none. */
  healthPort: "JOBYARD_HEALTH_PORT",
  /** Set by start-worker.py: the open descriptor that takes signs of life for systemd. */
  watchdogDescriptor: "JOBYARD_WATCHDOG_DESCRIPTOR",
  /** Set by systemd: microseconds of silence after which it starts the worker anew. */
  watchdogMicroseconds: "WATCHDOG_USEC",
} as const;
