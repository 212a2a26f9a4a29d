/** The file in the local stack's folder that says where its telemetry is: for commands of the same user. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { readIfThere, writePrivateFile } from "../private-file.ts";

const telemetryFileSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("here"),
    /** Takes OTLP over HTTP from every program of this machine. */
    endpoint: z.url(),
    /** Who reads must show it. */
    readKey: z.string(),
  }),
  // The environment of `npm start` names another collector.
  z.object({ kind: z.literal("elsewhere"), endpoint: z.string() }),
]);

export type TelemetryFile = z.infer<typeof telemetryFileSchema>;

const fileIn = (directory: string): string => join(directory, "telemetry.json");

export const writeTelemetryFile = (directory: string, content: TelemetryFile): Promise<void> =>
  writePrivateFile(fileIn(directory), JSON.stringify(content));

export const removeTelemetryFile = (directory: string): Promise<void> => rm(fileIn(directory), { force: true });

/** Undefined if there is none: `npm start` has not run in this folder, or was stopped. */
export async function readTelemetryFile(directory: string): Promise<TelemetryFile | undefined> {
  const text = await readIfThere(fileIn(directory));
  return text === undefined ? undefined : telemetryFileSchema.parse(JSON.parse(text));
}
