/** Commands about workers, tenants, grants and webhooks. */
import { TENANT_ACCESS } from "../../core/http/access.ts";
import { REMOTE, type CommandSpec } from "../command-spec.ts";

export const ADMINISTRATION: readonly CommandSpec[] = [
  {
    name: "workers",
    summary: "List the workers, for administrators; or let one end its jobs and stop.",
    examples: ["workers", "workers --drain default/worker-1"],
    options: [
      ...REMOTE,
      { flags: "--pool <name>", text: "only this pool's" },
      { flags: "--drain <pool/worker>", text: "let this one end its jobs and stop" },
    ],
    load: async () => (await import("../commands/workers.ts")).workers,
  },
  {
    name: "tenants",
    summary: "List the tenants, for administrators; create or delete one.",
    examples: ["tenants", "tenants --create acme", "tenants --delete acme            # its jobs stay"],
    options: [
      ...REMOTE,
      { flags: "--create <name>", text: "create it, if need be" },
      { flags: "--delete <name>", text: "delete it with its grants" },
    ],
    load: async () => (await import("../commands/tenants.ts")).tenants,
  },
  {
    name: "grants",
    summary: "List who may act for a tenant, for administrators; grant or revoke it.",
    examples: [
      "grants acme",
      `grants acme --grant <objectId> --access submit --name "Ada (accounting)"`,
      "grants acme --revoke <objectId>",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--grant <objectId>", text: "of a user or of an application's service principal" },
      {
        flags: "--access <access>",
        text: "each includes those before",
        choices: TENANT_ACCESS,
        default: "submit",
      },
      { flags: "--name <text>", text: "of whom, for people" },
      { flags: "--revoke <objectId>", text: "take it away" },
    ],
    load: async () => (await import("../commands/tenants.ts")).grants,
  },
  {
    name: "webhooks",
    summary: "List a tenant's webhooks, which are told of completed batches; register, test, rotate or delete one.",
    examples: [
      "webhooks acme",
      "webhooks acme --put billing --to https://hooks.example.com/jobyard",
      "webhooks acme --test billing",
      "webhooks acme --deliveries billing",
      "webhooks acme --rotate billing   # both secrets count for a day",
    ],
    arguments: [{ name: "<tenant>", text: "the tenant" }],
    options: [
      ...REMOTE,
      { flags: "--put <name>", text: "register it, or change its address; prints its secret, once" },
      { flags: "--to <address>", text: "where it is sent; https" },
      { flags: "--enable <name>", text: "send to it again" },
      { flags: "--disable <name>", text: "send nothing more to it" },
      { flags: "--rotate <name>", text: "give it a new secret, and print it, once" },
      { flags: "--test <name>", text: "send it a ping, and tell what came back" },
      { flags: "--deliveries <name>", text: "what became of its messages" },
      { flags: "--delete <name>", text: "delete it, with what waits for it" },
    ],
    load: async () => (await import("../commands/webhooks.ts")).webhooks,
  },
];
