/** Stops all APIs for a while: a file sets the time, and each API waits for it before it starts. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const fileIn = (directory: string): string => join(directory, "apis-away-until");

export const declareOutage = (directory: string, until: number): Promise<void> =>
  writeFile(fileIn(directory), String(until));

export async function outageOver(directory: string): Promise<void> {
  const until = Number(await readFile(fileIn(directory), "utf8").catch(() => "0"));
  await pause(Math.max(0, until - Date.now()));
}
