/** Writes a snapshot so that it is there as a whole or not at all. */
import { open, rename, rm } from "node:fs/promises";
import type { BrokerRecord } from "../engine/records.ts";
import { FILE_HEADER, listFiles, snapshotPath, syncDirectory } from "./files.ts";
import { encodeFrame } from "./frame.ts";

const RECORDS_PER_FRAME = 256;

/** Encodes the whole state at once: it must not change in between. Takes about as much memory as the state itself. */
export function encodeSnapshot(records: Iterable<BrokerRecord>): Buffer[] {
  const frames: Buffer[] = [];
  let group: BrokerRecord[] = [];
  for (const record of records) {
    group.push(record);
    if (group.length === RECORDS_PER_FRAME) {
      frames.push(encodeFrame(group));
      group = [];
    }
  }
  if (group.length > 0) frames.push(encodeFrame(group));
  return frames;
}

/** @returns its size in bytes. Afterwards the files of older generations are gone. */
export async function writeSnapshot(directory: string, generation: number, frames: readonly Buffer[]): Promise<number> {
  const path = snapshotPath(directory, generation);
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.write(FILE_HEADER);
    for (const frame of frames) {
      for (let offset = 0; offset < frame.length;) {
        const { bytesWritten } = await file.write(frame, offset, frame.length - offset);
        offset += bytesWritten;
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  // The name appears only when the content is safe, and the old files go only when the name is.
  await rename(temporary, path);
  syncDirectory(directory);
  for (const old of listFiles(directory)) if (old.generation < generation) await rm(old.path);
  return frames.reduce((sum, frame) => sum + frame.length, 0);
}
