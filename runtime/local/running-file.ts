/** The file in the local stack's folder that says where the running stack is: for commands of the same user. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { readIfThere, writePrivateFile } from "./private-file.ts";

const runningSchema = z.object({
  apiUrl: z.url(),
  issuer: z.object({ authority: z.string(), caFile: z.string() }),
  /** Jobs stop for a debugger at this port. */
  inspectPort: z.int().optional(),
});

export type Running = Readonly<z.infer<typeof runningSchema>>;

const fileIn = (directory: string): string => join(directory, "running.json");

export const writeRunning = (directory: string, running: Running): Promise<void> =>
  writePrivateFile(fileIn(directory), JSON.stringify(running));

export const removeRunning = (directory: string): Promise<void> => rm(fileIn(directory), { force: true });

/** Undefined if none was started in this folder, or it was stopped. After a kill -9 the file is still there. */
export async function readRunning(directory: string): Promise<Running | undefined> {
  const text = await readIfThere(fileIn(directory));
  return text === undefined ? undefined : runningSchema.parse(JSON.parse(text));
}
