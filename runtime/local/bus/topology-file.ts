/** Reads a topology from JSON, as `npm run bus -- --topology file.json` takes it. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { BusTopology } from "../../core/topology.ts";

/** The file cannot be used. The message is one sentence for the person who wrote it. */
export class TopologyFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TopologyFileError";
  }
}

const name = z.string().min(1);
const milliseconds = z.number().int().positive();

const filter = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sql"), expression: z.string() }),
  z.strictObject({
    kind: z.literal("correlation"),
    system: z.record(z.string(), z.string()).optional(),
    properties: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  }),
  z.strictObject({ kind: z.literal("true") }),
  z.strictObject({ kind: z.literal("false") }),
]);

const common = {
  name,
  lockMs: milliseconds.optional(),
  maxDeliveryCount: z.number().int().positive().optional(),
  timeToLiveMs: milliseconds.optional(),
  deadLetterOnExpiry: z.boolean().optional(),
  requiresSession: z.boolean().optional(),
  forwardTo: name.optional(),
  forwardDeadLetteredTo: name.optional(),
  autoDeleteOnIdleMs: milliseconds.optional(),
};

const topology = z.strictObject({
  queues: z.array(z.strictObject({ ...common, duplicateWindowMs: milliseconds.optional() })).default([]),
  topics: z
    .array(
      z.strictObject({
        name,
        duplicateWindowMs: milliseconds.optional(),
        timeToLiveMs: milliseconds.optional(),
        autoDeleteOnIdleMs: milliseconds.optional(),
        subscriptions: z
          .array(z.strictObject({ ...common, rules: z.array(z.strictObject({ name, filter })).optional() }))
          .default([]),
      }),
    )
    .default([]),
});

/** @throws TopologyFileError when it cannot be read or says something the bus does not understand. */
export function readTopologyFile(path: string): BusTopology {
  const parsed = topology.safeParse(parseJson(path));
  // Absent and undefined mean the same everywhere settings are read.
  if (parsed.success) return parsed.data as BusTopology;
  const [issue] = parsed.error.issues;
  const place = issue?.path.length ? ` at ${issue.path.join(".")}` : "";
  throw new TopologyFileError(`The topology file ${path} is not valid${place}: ${issue?.message ?? "unknown"}.`);
}

function parseJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const reason = (error as Error).message;
    throw new TopologyFileError(`The topology file ${path} cannot be read: ${reason}.`, { cause: error });
  }
}
