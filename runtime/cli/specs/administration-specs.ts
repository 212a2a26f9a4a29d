/** Commands about workers, tenants, grants, identities and webhooks. */
import { TENANT_ACCESS } from "../../core/http/access.ts";
import { CONCURRENCY_MAX, QUOTA_MAX } from "../../core/limits.ts";
import { REMOTE, TENANT, type CommandSpec, limit } from "../command-spec.ts";
import { WEBHOOK_EVENTS } from "../../core/job/webhook.ts";
import { TERMINAL_STATES } from "../../core/job/states.ts";
import { RETENTION_MAX_DAYS, WEIGHT_MAX } from "../../core/limits.ts";

export const ADMINISTRATION: readonly CommandSpec[] = [
  {
    name: "workers",
    summary: "List the workers, or drain one. For administrators.",
    examples: ["workers", "workers --drain default/worker-1"],
    options: [
      ...REMOTE,
      { flags: "--pool <name>", text: "only workers of this pool" },
      { flags: "--drain <pool/worker>", text: "drain this worker: it ends its jobs and stops" },
    ],
    load: async () => (await import("../commands/workers.ts")).workers,
  },
  {
    name: "system",
    summary:
      "Show the last sweep and the programs of npm start, the console of one, or restart one. For administrators.",
    examples: ["system", "system --console worker-1", "system --restart api"],
    options: [
      ...REMOTE,
      { flags: "--console <program>", text: "print the end of what this program has printed" },
      { flags: "--restart <program>", text: "stop this program and start it again" },
    ],
    load: async () => (await import("../commands/system.ts")).system,
  },
  {
    name: "tenants",
    summary: "List, create, weigh, delete or erase tenants. For administrators.",
    defaultCommand: "list",
    commands: [
      {
        name: "list",
        summary: "List tenants; or create, weigh or delete one.",
        examples: [
          "tenants",
          "tenants --create acme",
          "tenants --weigh acme --weight 3",
          "tenants --delete acme            # its jobs stay",
        ],
        options: [
          ...REMOTE,
          { flags: "--create <name>", text: "create it if it does not exist" },
          { flags: "--weigh <name>", text: "set its share of the slots, with --weight" },
          {
            flags: "--weight <number>",
            text: "in proportion to other tenants; a new one has 1",
            number: [1, WEIGHT_MAX],
          },
          { flags: "--delete <name>", text: "delete it and its grants" },
        ],
        load: async () => (await import("../commands/tenants.ts")).tenants,
      },
      {
        name: "erase",
        summary: "Remove a tenant and everything that is stored of it, for good; or show how far that is.",
        examples: [
          "tenants erase acme --confirm acme",
          "tenants erase acme                 # how far it is, or the report of the last one",
        ],
        arguments: [{ name: "<tenant>", text: "the tenant" }],
        options: [
          ...REMOTE,
          { flags: "--confirm <name>", text: "begin: the tenant's name once more" },
          { flags: "--detach", text: "do not wait until it has ended" },
        ],
        load: async () => (await import("../commands/erase.ts")).eraseTenant,
      },
    ],
  },
  {
    name: "retention",
    summary: "Show or set how many days a tenant's jobs, logs, artifacts and dead letters are kept.",
    examples: [
      "retention acme",
      "retention acme --jobs 30 --logs 7",
      "retention acme --outcome failed --jobs 365   # the others as before",
      "retention acme --defaults",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--jobs <days>", text: "keep ended jobs so long; 0: for ever", number: [0, RETENTION_MAX_DAYS] },
      { flags: "--logs <days>", text: "the same for their logs", number: [0, RETENTION_MAX_DAYS] },
      { flags: "--files <days>", text: "the same for their artifacts", number: [0, RETENTION_MAX_DAYS] },
      { flags: "--outcome <outcome>", text: "only of jobs that ended so", choices: TERMINAL_STATES },
      { flags: "--dead-letters <days>", text: "keep dead letters so long", number: [0, RETENTION_MAX_DAYS] },
      { flags: "--defaults", text: "keep what the system keeps by default" },
    ],
    load: async () => (await import("../commands/retention.ts")).retention,
  },
  {
    name: "grants",
    summary: "List, grant or revoke access to a tenant. For administrators.",
    examples: [
      "grants acme",
      `grants acme --grant <objectId> --access submit --name "Ada (accounting)"`,
      "grants acme --revoke <objectId>",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--grant <objectId>", text: "object id of a user or of an application's service principal" },
      {
        flags: "--access <access>",
        text: "each level includes the previous ones",
        choices: TENANT_ACCESS,
        default: "submit",
      },
      { flags: "--name <text>", text: "a name for people" },
      { flags: "--revoke <objectId>", text: "revoke the grant" },
    ],
    load: async () => (await import("../commands/tenants.ts")).grants,
  },
  {
    name: "identities",
    summary: "List, grant or revoke the Azure identities that a tenant's jobs may use.",
    examples: [
      "identities acme",
      "identities acme --grant provisioning --audiences https://management.azure.com",
      "identities acme --revoke provisioning",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--grant <pool>", text: "let its jobs on this pool use the pool's identity" },
      { flags: "--audiences <list>", text: "for these services, separated by commas; replaces the list before" },
      { flags: "--revoke <pool>", text: "revoke the grant on this pool" },
    ],
    load: async () => (await import("../commands/identities.ts")).identities,
  },
  {
    name: "quotas",
    summary: "Show the quotas of a tenant and what it has used, or set those that are named.",
    examples: [
      "quotas acme",
      "quotas acme --jobs-per-day 100000 --stored-bytes 5000000000 --running-at-once 20",
      "quotas acme --none",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--jobs-per-day <count>", text: "jobs in a day (UTC)", number: [0, QUOTA_MAX] },
      { flags: "--stored-bytes <count>", text: "stored bytes", number: [0, QUOTA_MAX] },
      {
        flags: "--running-at-once <count>",
        text: "jobs that run at once",
        number: [1, CONCURRENCY_MAX],
      },
      { flags: "--none", text: "remove all quotas that are not named" },
    ],
    load: async () => (await import("../commands/quotas.ts")).quotas,
  },
  {
    name: "audit",
    summary: "List who changed what through the API, newest first.",
    examples: ["audit --tenant acme --since 2h", 'audit -t acme --actor "Ada" --operation putGrant', "audit --system"],
    options: [
      ...REMOTE,
      TENANT,
      { flags: "--system", text: "changes that belong to no tenant, and refused ones; for administrators" },
      { flags: "--since <time>", text: "only changes since then: 30m, 2h, 7d, or an instant" },
      { flags: "--actor <who>", text: "only changes by this caller: a name or an object id" },
      { flags: "--operation <id>", text: "only this operation, such as putGrant" },
      limit(100_000, 50),
    ],
    load: async () => (await import("../commands/audit.ts")).audit,
  },
  {
    name: "webhooks",
    summary: "List, register, test, rotate or delete a tenant's webhooks.",
    examples: [
      "webhooks acme",
      "webhooks acme --put billing --to https://hooks.example.com/jobyard",
      "webhooks acme --put alerts --to https://hooks.example.com/alerts --events jobsFailed,timerMissed,quotaFull",
      "webhooks acme --test billing",
      "webhooks acme --deliveries billing",
      "webhooks acme --rotate billing   # both secrets are valid for a day",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--put <name>", text: "register it, or change its address; prints the secret of a new webhook" },
      { flags: "--to <address>", text: "the receiver's https address" },
      { flags: "--events <list>", text: `with --put: what it is told of, of ${WEBHOOK_EVENTS.join(", ")}` },
      { flags: "--enable <name>", text: "resume sending to it" },
      { flags: "--disable <name>", text: "stop sending to it" },
      { flags: "--rotate <name>", text: "create a new secret and print it once" },
      { flags: "--test <name>", text: "send a ping and print the response" },
      { flags: "--deliveries <name>", text: "list its latest messages" },
      { flags: "--resend <name>", text: "send one of its messages again, or all that were given up" },
      { flags: "--message <id>", text: "with --resend: only this one, as --deliveries shows it" },
      { flags: "--delete <name>", text: "delete it and its waiting messages" },
    ],
    load: async () => (await import("../commands/webhooks.ts")).webhooks,
  },
];
