/** The settings of a stack, as data: allowed values, default, meaning. `npm run infra:docs` writes them to docs/deploy.md. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { AUTOSCALE_MAX_INSTANCES } from "../../runtime/core/deployment/autoscale.ts";
import { EVENT_LEVELS } from "../../runtime/core/job/events.ts";
import { POOL_NAME_PATTERN, TENANT_NAME_PATTERN } from "../../runtime/core/job/ids.ts";
import {
  DEAD_LETTER_RETENTION_DAYS_DEFAULT,
  FILE_RETENTION_DAYS_DEFAULT,
  LOCK_MS,
  LOG_RETENTION_DAYS_DEFAULT,
  POOL_NAME_MAX_LENGTH,
  PROTECTION_IDLE_GRACE_MS,
  RELEASE_PATIENCE_MINUTES_DEFAULT,
  RELEASE_PATIENCE_MINUTES_MAX,
  RETENTION_MAX_DAYS,
  ROW_MIN_DAYS,
  ROW_RETENTION_DAYS_DEFAULT,
  TENANT_NAME_MAX_LENGTH,
} from "../../runtime/core/limits.ts";
import { IDLE_GRACE_SECONDS_MAX, PROTECTION_MODES } from "../../runtime/core/settings/machine-settings.ts";
import {
  bool,
  CHANGES,
  integer,
  list,
  named,
  number,
  oneOf,
  setting,
  text,
  type Setting,
  type SettingValue,
} from "./setting.ts";
import {
  API_SKUS,
  BUS_CAPACITIES,
  BUS_SKUS,
  DATA_NETWORKS,
  EGRESSES,
  STORAGE_REPLICATIONS,
  vmSizeProblem,
  type ApiSkuName,
} from "./skus.ts";
import { parseAddressSpace } from "./subnets.ts";

/** The error message for an object with unknown keys. */
export const strictMessage =
  (unknown: string) =>
  (issue: { readonly code?: string }): string =>
    issue.code === "unrecognized_keys" ? unknown : "must be an object";

/** Instances of a scale set over several placement groups. The design supports no more. */
const FIXED_MAX_INSTANCES = 800;
const SLOTS_MAX = 1_000;
const days = integer(0, RETENTION_MAX_DAYS);
const FOREVER = "0 to 3650; 0 means forever";
const UNLESS_SET = ", where a tenant has set nothing";
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** https://learn.microsoft.com/azure/storage/common/storage-network-security-limitations: no private address, /31 or /32. */
const PRIVATE_ADDRESS = /^(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./;
const RANGE_BITS = /^(?:[1-9]|[12]\d|30)$/;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const WEBHOOK = /^https:\/\/[^\s#]+$/;
const SSH_KEY = /^(?:ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]+(?: .*)?$/;
const HTTPS_URL = /^https:\/\/[^\s#]+$|^http:\/\/localhost(?::\d+)?(?:\/\S*)?$/;
/** As a browser sends it. */
const ORIGIN = /^https:\/\/[a-z0-9.-]+(?::\d+)?$|^http:\/\/localhost(?::\d+)?$/;
/** Not absolute, because a stack's file is the same on every machine. */
const RELATIVE_PATH = /^[^/\\].*$/;
/** https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources; storage accounts take the shortest. */
const TAG_NAME = /^[^<>%&\\?/]{1,128}$/;
const TAG_VALUE = /^[^]{0,256}$/;
/** Azure allows 50. The stack sets three of its own. */
const TAGS_MAX = 47;

const PUBLIC_RANGE = "a public IPv4 address or range, such as 203.0.113.0/24";
const publicRange = named(PUBLIC_RANGE, (value) => {
  const [address = "", bits = "30", ...more] = value.split("/");
  const isPublic = isIPv4(address) && !PRIVATE_ADDRESS.test(address) && RANGE_BITS.test(bits) && more.length === 0;
  return isPublic ? undefined : `must be ${PUBLIC_RANGE}`;
});

const guid = (): z.ZodType<string> => text(GUID, "a GUID");
const vmSize = named("a VM size, such as Standard_D2as_v5", (value) => vmSizeProblem(value));

/** The number of pools that fit into a network of 10.0.0.0/8. */
const SUBNET_MAX = 16_382;

/** The keys of one worker pool, in `pools`. All but `subnet` default to the stack's own (`workerVmSize` and so on). */
const POOL_FIELDS = {
  subnet: integer(1, SUBNET_MAX),
  vmSize: vmSize,
  osDiskGb: integer(30, 1_023),
  slots: integer(1, SLOTS_MAX),
  autoscale: bool(),
  min: integer(0, AUTOSCALE_MAX_INSTANCES),
  max: integer(1, AUTOSCALE_MAX_INSTANCES),
  count: integer(0, FIXED_MAX_INSTANCES),
  spot: bool(),
  jobIdentity: bool(),
} as const;

const poolOverrides = z
  .strictObject(POOL_FIELDS, {
    error: strictMessage(`is not a key of a pool; the keys are ${Object.keys(POOL_FIELDS).join(", ")}`),
  })
  .partial();

/** Every key under `jobyard:`, with its default and meaning. */
export const SETTINGS = {
  tags: setting(
    z
      .record(
        text(TAG_NAME, "a tag name of at most 128 characters"),
        text(TAG_VALUE, "a text of at most 256 characters"),
      )
      .refine((tags) => Object.keys(tags).length <= TAGS_MAX, { error: `must be at most ${TAGS_MAX}` }),
    {},
    `at most ${TAGS_MAX} names and values`,
    "tags for every resource, in addition to app, stack and managedBy",
  ),
  protectData: setting(bool(), false, "true, false", "protects storage and Service Bus from deletion and replacement"),

  storageReplication: setting(
    oneOf(STORAGE_REPLICATIONS),
    "LRS",
    STORAGE_REPLICATIONS.join(", "),
    "replication of the data account",
    CHANGES.newStack,
  ),
  softDeleteDays: setting(
    integer(0, 365),
    0,
    "0 to 365; 0 means off",
    "days during which deleted or overwritten blobs can be restored",
  ),
  jobRetentionDays: setting(
    days.refine((count) => count === 0 || count >= ROW_MIN_DAYS, { error: `must be 0 or at least ${ROW_MIN_DAYS}` }),
    ROW_RETENTION_DAYS_DEFAULT,
    `0, or ${ROW_MIN_DAYS} to ${RETENTION_MAX_DAYS}; 0 means forever`,
    `days to keep ended jobs${UNLESS_SET}`,
  ),
  logRetentionDays: setting(days, LOG_RETENTION_DAYS_DEFAULT, FOREVER, `days to keep job logs${UNLESS_SET}`),
  outputRetentionDays: setting(days, FILE_RETENTION_DAYS_DEFAULT, FOREVER, `days to keep artifacts${UNLESS_SET}`),
  deadLetterRetentionDays: setting(
    days,
    DEAD_LETTER_RETENTION_DAYS_DEFAULT,
    "0 to 3650; 0 means as long as jobs",
    `days to keep dead letters${UNLESS_SET}`,
  ),
  dataNetwork: setting(
    oneOf(DATA_NETWORKS),
    "vnet",
    DATA_NETWORKS.join(", "),
    "`vnet`: only the API and the workers reach the data account; `internet`: any address with a token",
  ),
  allowedIpRanges: setting(
    list(publicRange),
    [],
    "list of public IPv4 ranges",
    "more addresses that can reach the data account",
  ),
  deployerIpRanges: setting(
    list(publicRange),
    [],
    "list of public IPv4 ranges",
    "addresses that `pulumi up` runs from; if set, only these, the API and the workers reach the release account",
  ),

  busSku: setting(
    oneOf(BUS_SKUS),
    "Standard",
    BUS_SKUS.join(", "),
    "tier of the Service Bus namespace",
    CHANGES.newStack,
  ),
  busCapacity: setting(
    integer(1, 16).refine((value) => (BUS_CAPACITIES as readonly number[]).includes(value), {
      error: `must be one of ${BUS_CAPACITIES.join(", ")}`,
    }),
    1,
    BUS_CAPACITIES.join(", "),
    "messaging units, Premium only",
  ),
  lockSeconds: setting(
    integer(30, 300),
    LOCK_MS / 1_000,
    "30 to 300",
    "seconds until a silent worker loses its jobs",
    CHANGES.newMachines,
  ),
  events: setting(
    oneOf(EVENT_LEVELS),
    "terminal",
    EVENT_LEVELS.join(", "),
    "events that are published: `terminal`: ends of jobs and batches; `all`: starts, progress and retries too",
    CHANGES.newMachines,
  ),
  runtimeRegistration: setting(
    bool(),
    true,
    "true, false",
    "`true`: the API creates subscriptions for the timers of packages it publishes; `false`: only `pulumi up` does",
  ),

  apiSku: setting(
    oneOf(Object.keys(API_SKUS) as ApiSkuName[]),
    "B1",
    Object.keys(API_SKUS).join(", "),
    "App Service plan of the API",
  ),
  apiMin: setting(integer(1, 30), 1, "1 to 30", "API instances; the minimum if the plan scales automatically"),
  apiMax: setting(integer(1, 30), 1, "1 to 30", "maximum API instances, for plans that scale automatically (S and P)"),

  workerVmSize: setting(vmSize, "Standard_D2as_v5", "an x64 VM size", "VM size of a worker", CHANGES.newMachines),
  workerOsDiskGb: setting(
    integer(30, 1_023),
    64,
    "30 to 1023",
    "size of its disk, which holds packages and workspaces",
    CHANGES.newMachines,
  ),
  workerSlots: setting(integer(1, SLOTS_MAX), 1, "1 to 1000", "jobs a worker runs at a time", CHANGES.newMachines),
  workerAutoscale: setting(
    bool(),
    true,
    "true, false",
    "`true`: the pool scales with its queues; `false`: it always has `workerCount` workers",
  ),
  workerMin: setting(
    integer(0, AUTOSCALE_MAX_INSTANCES),
    1,
    "0 to 100",
    "minimum workers; 0 lets an idle pool scale to zero",
  ),
  workerMax: setting(integer(1, AUTOSCALE_MAX_INSTANCES), 100, "1 to 100", "maximum workers with autoscale"),
  workerCount: setting(
    integer(0, FIXED_MAX_INSTANCES),
    1,
    "0 to 800",
    "workers without autoscale; a change across 100 creates a new scale set",
  ),
  workerSpot: setting(
    bool(),
    false,
    "true, false",
    "uses Spot machines: cheaper, but Azure can take them away",
    CHANGES.newScaleSet,
  ),
  workerProtection: setting(
    oneOf(PROTECTION_MODES),
    "required",
    PROTECTION_MODES.join(", "),
    "`required`: a job starts only on a machine protected from scale-in; `best-effort`: also if Azure does not protect it in time",
    CHANGES.newMachines,
  ),
  workerIdleGraceSeconds: setting(
    integer(0, IDLE_GRACE_SECONDS_MAX),
    PROTECTION_IDLE_GRACE_MS / 1_000,
    `0 to ${IDLE_GRACE_SECONDS_MAX}`,
    "how long an idle worker stays protected from scale-in",
    CHANGES.newMachines,
  ),
  workerReleasePatienceMinutes: setting(
    integer(0, RELEASE_PATIENCE_MINUTES_MAX),
    RELEASE_PATIENCE_MINUTES_DEFAULT,
    `0 to ${RELEASE_PATIENCE_MINUTES_MAX}`,
    "how long a busy worker with several slots keeps taking jobs after a new release; each worker adds a random time up to the same length",
    CHANGES.newMachines,
  ),
  terminateNoticeMinutes: setting(
    integer(5, 15),
    15,
    "5 to 15",
    "warning before a machine is deleted; Spot machines get none",
    CHANGES.newMachines,
  ),
  pools: setting(
    z.record(
      text(
        POOL_NAME_PATTERN,
        `a pool name of 1 to ${POOL_NAME_MAX_LENGTH} lower-case letters, digits and inner hyphens`,
      ),
      poolOverrides,
      { error: "must be an object of pools by name" },
    ),
    {},
    `names to ${Object.keys(POOL_FIELDS).join(", ")}`,
    "more worker pools, or changes to `default`; each new pool needs its own `subnet`, `jobIdentity` is false, other keys default to the stack's",
  ),
  sshPublicKey: setting(
    text(SSH_KEY, "an ssh-rsa or ssh-ed25519 public key").optional(),
    undefined,
    "an SSH public key",
    "key for SSH login to workers; absent: no login",
    CHANGES.newMachines,
  ),

  addressSpace: setting(
    named("a private IPv4 network, such as 10.20.0.0/16", (value) =>
      parseAddressSpace(value) === undefined ? "must be a private IPv4 network, such as 10.20.0.0/16" : undefined,
    ),
    "10.20.0.0/16",
    "a private IPv4 network",
    "address space of the virtual network; each pool takes a /22",
    CHANGES.newStack,
  ),
  egress: setting(
    oneOf(EGRESSES),
    "nat",
    EGRESSES.join(", "),
    "how workers reach the internet: one NAT gateway, or a public address for each; inbound traffic is blocked in both cases",
    CHANGES.newMachines,
  ),

  authMode: setting(
    oneOf(["create", "existing"]),
    "create",
    "create, existing",
    "`create`: the stack creates the Entra applications; `existing`: you provide them",
  ),
  authClientId: setting(guid().optional(), undefined, "a GUID", "application (client) id of the API, for `existing`"),
  authPublicClientId: setting(
    guid().optional(),
    undefined,
    "a GUID",
    "client id that people sign in with, for `existing`",
  ),
  authAdminObjectIds: setting(
    list(guid()),
    [],
    "list of GUIDs",
    "object ids of users and groups that get Jobs.Admin, for `create`",
  ),
  authRedirectUris: setting(
    list(text(HTTPS_URL, "an https URL, or http://localhost")),
    [],
    "list of URLs",
    "more pages that people may sign in from, for `create`",
  ),
  authAllowAzureCli: setting(
    bool(),
    true,
    "true, false",
    "lets people get tokens with the Azure CLI (`az account get-access-token`), for `create`",
  ),
  allowedOrigins: setting(
    list(text(ORIGIN, "an origin, such as https://app.example.com, or http://localhost")),
    [],
    "list of origins",
    "origins of other web sites whose pages may call the API",
  ),

  packagesPath: setting(
    text(RELATIVE_PATH, "a folder, relative to the project"),
    "packages",
    "a folder of the project",
    "your job packages to deploy with the code, one directory each",
  ),
  deploySamples: setting(
    bool(),
    false,
    "true, false",
    "whether the packages in `packages-sample` are deployed too; no effect without that folder",
  ),
  packagesTenant: setting(
    text(TENANT_NAME_PATTERN, `a tenant name of 1 to ${TENANT_NAME_MAX_LENGTH} lower-case letters, digits and hyphens`),
    "demo",
    "a tenant name",
    "tenant that these packages are published to",
  ),

  insightsRetentionDays: setting(integer(30, 730), 30, "30 to 730", "days to keep telemetry"),
  insightsDailyCapGb: setting(
    number(0.1, 1_000).optional(),
    undefined,
    "0.1 to 1000; absent: none",
    "daily limit of telemetry; the rest is dropped",
  ),
  traceRatio: setting(
    number(0, 1),
    0.05,
    "0 to 1",
    "share of jobs and requests whose traces are kept; errors are always kept",
    CHANGES.newMachines,
  ),
  alertEmail: setting(
    text(EMAIL, "an e-mail address").optional(),
    undefined,
    "an e-mail address",
    "address that receives alerts; without it and `alertWebhook`, alerts are only shown in the portal",
  ),
  alertWebhook: setting(
    text(WEBHOOK, "an https URL").optional(),
    undefined,
    "an https URL",
    "address that receives alerts as JSON in Azure's common alert schema; set it with `--secret`",
  ),
  oldestWaitingAlertMinutes: setting(
    integer(1, 10_080),
    60,
    "1 to 10080",
    "minutes that the oldest job of a queue waits before it raises an alert",
  ),
  failureAlertPercent: setting(
    integer(1, 99),
    20,
    "1 to 99",
    "percentage of the jobs of a type that fail within an hour before it raises an alert",
  ),
  backlogAlert: setting(
    integer(1, 1_000_000),
    1_000,
    "1 to 1000000",
    "number of waiting messages in one queue that raises an alert",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

type SettingName = keyof typeof SETTINGS;
/** Every setting, parsed, under its name in the configuration. */
export type FlatConfig = { readonly [Name in SettingName]: SettingValue<(typeof SETTINGS)[Name]> };
