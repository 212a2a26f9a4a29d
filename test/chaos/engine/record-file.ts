/** The recorder's file in the storage folder of a run, and how to read it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { WireRecord } from "./storage-wire.ts";

export const RECORD_FILE = "writes.jsonl";

export async function readRecords(storageDirectory: string): Promise<readonly WireRecord[]> {
  const text = await readFile(join(storageDirectory, RECORD_FILE), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as WireRecord);
}
