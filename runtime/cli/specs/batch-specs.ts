/** The command about batches. */
import { limit, REMOTE, TENANT, type CommandSpec } from "../command-spec.ts";
import { PRIORITY } from "./job-specs.ts";

export const BATCHES: readonly CommandSpec[] = [
  {
    name: "batches",
    summary: "List a tenant's batches, newest first; look at one, close it, or create one.",
    examples: [
      "batches --tenant demo",
      `batches --create "Year end" --priority high`,
      "batches <batchId>",
      "batches <batchId> --close",
    ],
    arguments: [{ name: "[batchId]", text: "only this one, with its counts" }],
    options: [
      ...REMOTE,
      TENANT,
      limit(1_000_000, 20),
      { flags: "--create <name>", text: "make a new one, and print its id" },
      { ...PRIORITY, text: "with --create: of its jobs (default: normal)" },
      { flags: "--pool <name>", text: "with --create: the workers that run it (default: default)" },
      { flags: "--close", text: "accept no more jobs in it" },
    ],
    load: async () => (await import("../commands/batches.ts")).batches,
  },
];
