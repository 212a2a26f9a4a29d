/** The command about batches. */
import { limit, REMOTE, TENANT, type CommandSpec } from "../command-spec.ts";
import { PRIORITY } from "./job-specs.ts";

export const BATCHES: readonly CommandSpec[] = [
  {
    name: "batches",
    summary: "List a tenant's batches, newest first; show, close or create one.",
    examples: [
      "batches --tenant demo",
      `batches --create "Year end" --priority high`,
      "batches <batchId>",
      "batches <batchId> --close",
    ],
    arguments: [{ name: "[batchId]", text: "show this batch with its counts" }],
    options: [
      ...REMOTE,
      TENANT,
      limit(1_000_000, 20),
      { flags: "--create <name>", text: "create a batch and print its id" },
      { ...PRIORITY, text: "with --create: priority of its jobs (default: normal)" },
      { flags: "--pool <name>", text: "with --create: the worker pool (default: default)" },
      { flags: "--close", text: "close it: it accepts no more jobs" },
    ],
    load: async () => (await import("../commands/batches.ts")).batches,
  },
];
