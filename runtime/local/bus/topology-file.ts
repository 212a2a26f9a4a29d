/** Reads a topology from JSON, as `npm run bus -- --topology file.json` takes it. */
import { z } from "zod";
import type { BusTopology } from "../../core/deployment/service-bus.ts";
import { readInputFile } from "./input-file.ts";

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

/**
 * Absent and undefined mean the same everywhere settings are read.
 *
 * @throws InputFileError when it cannot be read or says something the bus does not understand.
 */
export const readTopologyFile = (path: string): BusTopology =>
  readInputFile("topology file", path, topology) as BusTopology;
