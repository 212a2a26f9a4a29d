/**
 * All permissions, as data. No other file grants one. Each identity gets the narrowest built-in role on the narrowest
 * scope that Azure offers for it.
 */
import { InvariantError } from "../../runtime/core/errors.ts";
import { EVENTS_TOPIC, jobQueueName, TIMERS_TOPIC } from "../../runtime/core/deployment/topology.ts";
import { CONTAINERS, TABLES } from "../../runtime/core/deployment/storage-layout.ts";
import type { BusTopology } from "../../runtime/core/deployment/service-bus.ts";
import { PRIORITIES } from "../../runtime/core/job/priority.ts";

/** Built-in roles by our names. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
export const BUILT_IN_ROLES = {
  blobContributor: { id: "ba92f5b4-2d11-453d-a403-e96b0029c9fe", title: "Storage Blob Data Contributor" },
  blobReader: { id: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", title: "Storage Blob Data Reader" },
  tableContributor: { id: "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", title: "Storage Table Data Contributor" },
  tableReader: { id: "76199698-9eea-4c19-bc75-cec21354c6b6", title: "Storage Table Data Reader" },
  secretsOfficer: { id: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", title: "Key Vault Secrets Officer" },
  secretsUser: { id: "4633458b-17de-408a-b874-0445c86b69e6", title: "Key Vault Secrets User" },
  busSender: { id: "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", title: "Azure Service Bus Data Sender" },
  busReceiver: { id: "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0", title: "Azure Service Bus Data Receiver" },
  busOwner: { id: "090c5cfd-751d-490a-894a-3ce6f1109419", title: "Azure Service Bus Data Owner" },
  metricsPublisher: { id: "3913510d-42f4-4e42-8a64-420c390055eb", title: "Monitoring Metrics Publisher" },
} as const;

/** The custom role: it may change the protection of instances, and read what that needs. */
export const INSTANCE_PROTECTOR = {
  title: "Jobyard instance protector",
  description: "Protects instances of a scale set from scale-in, and removes that protection.",
  actions: [
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/write",
  ],
} as const;

export type RoleName = keyof typeof BUILT_IN_ROLES | "instanceProtector";

export type GrantScope =
  | { readonly kind: "table" | "container" | "queue" | "topic"; readonly name: string }
  | { readonly kind: "releases" | "telemetry" | "secrets" }
  | { readonly kind: "scaleSet"; readonly name: string };

/** An identity: the API's, or the one that all workers of a pool share. */
export type Grantee = { readonly kind: "api" } | { readonly kind: "pool"; readonly name: string };

export interface Grant {
  /** Logical name of the assignment. It is unique and stable: a new name would remove the permission for a moment. */
  readonly id: string;
  readonly to: Grantee;
  readonly role: RoleName;
  readonly scope: GrantScope;
  readonly why: string;
}

type Access = Pick<Grant, "role" | "why">;

const READ_WRITE = "blobContributor";
const READ = "blobReader";

interface TableAccess {
  readonly api: string;
  readonly worker?: string;
  /** Workers never write it. */
  readonly workerReads?: true;
}

/** By table. The program stops if a table is missing here, so no table stays without a rule. */
const TABLE_ACCESS: Readonly<Record<string, TableAccess>> = {
  batches: { api: "creates, closes and cancels batches", worker: "completes batches" },
  jobs: { api: "submits, cancels and requeues; sweeps and removes", worker: "claims, runs and settles jobs" },
  keys: { api: "stores idempotency keys; removes expired ones" },
  actions: { api: "stores actions on many jobs, and their progress" },
  index: { api: "notes and lists jobs by state and tag; repairs", worker: "notes the states of its jobs" },
  workers: { api: "lists workers; writes requests for them", worker: "writes heartbeats" },
  tenants: { api: "stores tenants, grants and how long data is kept" },
  webhooks: { api: "stores webhooks and their deliveries" },
  settings: {
    api: "stores settings of packages, and grants on the identities of pools",
    worker: "reads what its jobs are given",
    workerReads: true,
  },
  audit: { api: "records changes; removes expired entries" },
  gates: {
    api: "wakes jobs that wait for a limit; removes idle limits",
    worker: "stores who goes first under a limit, and wakes the next",
  },
  timers: { api: "registers, pauses and schedules timers", worker: "records the outcome of ticks" },
};

interface ContainerAccess {
  readonly api: Access;
  readonly worker?: Access;
}

const CONTAINER_ACCESS: Readonly<Record<string, ContainerAccess>> = {
  [CONTAINERS.packages]: {
    api: { role: READ_WRITE, why: "accepts packages" },
    worker: { role: READ, why: "fetches packages" },
  },
  [CONTAINERS.logs]: {
    api: { role: READ_WRITE, why: "shows logs; removes those that are due" },
    worker: { role: READ_WRITE, why: "writes logs" },
  },
  [CONTAINERS.output]: {
    api: { role: READ_WRITE, why: "serves artifacts; removes those that are due" },
    worker: { role: READ_WRITE, why: "stores artifacts" },
  },
  [CONTAINERS.input]: {
    api: { role: READ_WRITE, why: "stores large parameters; removes them with their jobs" },
    worker: { role: READ, why: "reads large parameters" },
  },
  [CONTAINERS.leases]: {
    api: { role: READ_WRITE, why: "elects the instance that sweeps and the one that delivers webhooks" },
  },
};

function accessTo<Access>(table: Readonly<Record<string, Access>>, name: string): Access {
  const access = table[name];
  if (access === undefined) throw new InvariantError(`infra/plan/grants.ts does not define access to "${name}".`);
  return access;
}

export interface GrantsRequest {
  readonly topology: BusTopology;
  readonly pools: readonly string[];
  /** Whether the API may create subscriptions while it runs. */
  readonly runtimeRegistration: boolean;
}

export function planGrants({ topology, pools, runtimeRegistration }: GrantsRequest): readonly Grant[] {
  return [...apiGrants(topology, runtimeRegistration), ...pools.flatMap((pool) => poolGrants(pool, topology))];
}

function apiGrants({ queues, topics }: BusTopology, runtimeRegistration: boolean): readonly Grant[] {
  const grant = grantTo({ kind: "api" }, "api");
  // To create a subscription that forwards, the API must manage both the topic and the target queue.
  const owns = runtimeRegistration && topics.some(({ name }) => name === TIMERS_TOPIC);
  return [
    ...Object.values(TABLES).map((name) =>
      grant("tableContributor", { kind: "table", name }, accessTo(TABLE_ACCESS, name).api),
    ),
    ...Object.values(CONTAINERS).map((name) => {
      const { role, why } = accessTo(CONTAINER_ACCESS, name).api;
      return grant(role, { kind: "container", name }, why);
    }),
    ...queues.flatMap(({ name }) =>
      owns
        ? [grant("busOwner", { kind: "queue", name }, "sends bells, sweeps, and forwards subscriptions to this queue")]
        : [
            grant("busSender", { kind: "queue", name }, "sends bells for submitted jobs"),
            grant("busReceiver", { kind: "queue", name }, "sweeps; reads dead letters"),
          ],
    ),
    ...topics.map(({ name }) => {
      // Each instance receives through its own subscription, which it creates at start.
      if (name === EVENTS_TOPIC) {
        return grant("busOwner", { kind: "topic", name }, "publishes, receives, and creates subscriptions");
      }
      return owns
        ? grant("busOwner", { kind: "topic", name }, "sends ticks, and creates a subscription for each timer")
        : grant("busSender", { kind: "topic", name }, "sends ticks");
    }),
    grant(READ, { kind: "releases" }, "loads its own code"),
    grant("secretsOfficer", { kind: "secrets" }, "sets and removes secrets of packages"),
    grant("metricsPublisher", { kind: "telemetry" }, "sends telemetry; there is no key"),
  ];
}

function poolGrants(pool: string, { topics }: BusTopology): readonly Grant[] {
  const grant = grantTo({ kind: "pool", name: pool }, `pool-${pool}`);
  const own = PRIORITIES.map((priority) => jobQueueName(pool, priority));
  return [
    ...Object.values(TABLES).flatMap((name) => {
      const { worker: why, workerReads } = accessTo(TABLE_ACCESS, name);
      const role = workerReads ? "tableReader" : "tableContributor";
      return why === undefined ? [] : [grant(role, { kind: "table", name }, why)];
    }),
    ...Object.values(CONTAINERS).flatMap((name) => {
      const access = accessTo(CONTAINER_ACCESS, name).worker;
      return access === undefined ? [] : [grant(access.role, { kind: "container", name }, access.why)];
    }),
    ...own.flatMap((name) => [
      grant("busReceiver", { kind: "queue", name }, "receives its jobs"),
      grant("busSender", { kind: "queue", name }, "sends bells for retries"),
    ]),
    // Ticks reach the workers through their queues.
    ...topics
      .filter(({ name }) => name === EVENTS_TOPIC)
      .map(({ name }) => grant("busSender", { kind: "topic", name }, "publishes job events")),
    grant(READ, { kind: "releases" }, "loads its own code"),
    grant("secretsUser", { kind: "secrets" }, "reads secrets for its jobs"),
    grant("metricsPublisher", { kind: "telemetry" }, "sends telemetry; there is no key"),
    grant("instanceProtector", { kind: "scaleSet", name: pool }, "protects itself while it works"),
  ];
}

const VERB: Readonly<Record<RoleName, string>> = {
  blobContributor: "write",
  blobReader: "read",
  tableContributor: "write",
  tableReader: "read",
  secretsOfficer: "set",
  secretsUser: "read",
  busSender: "send",
  busReceiver: "receive",
  busOwner: "own",
  metricsPublisher: "publish",
  instanceProtector: "protect",
};

const grantTo =
  (to: Grantee, prefix: string) =>
  (role: RoleName, scope: GrantScope, why: string): Grant => ({
    id: [
      prefix,
      VERB[role],
      scope.kind === "scaleSet" ? "scale-set" : scope.kind,
      ...("name" in scope && scope.kind !== "scaleSet" ? [scope.name] : []),
    ].join("-"),
    to,
    role,
    scope,
    why,
  });

/** The display name of a role, for custom roles too. */
export const roleTitle = (role: RoleName): string =>
  role === "instanceProtector" ? INSTANCE_PROTECTOR.title : BUILT_IN_ROLES[role].title;
