/** Reads a data directory: the newest snapshot, then every command logged after it. */
import { readFileSync, truncateSync } from "node:fs";
import type { BrokerRecord } from "../engine/records.ts";
import { JournalError, type JournalFile, listFiles, readStart } from "./files.ts";
import { decodeFrame } from "./frame.ts";

export interface RecoveredJournal {
  /** The generation of the log to continue. */
  readonly generation: number;
  /** Bytes that were logged since the snapshot. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
  /** Files that a newer snapshot has replaced. */
  readonly obsolete: readonly string[];
}

/**
 * Passes every record to `restore`, in order. An incomplete frame at the end of the last log was never acknowledged, and
 * is removed.
 *
 * @throws JournalError for an unknown version, or damage anywhere else.
 */
export function recover(directory: string, restore: (record: BrokerRecord) => void): RecoveredJournal {
  const files = listFiles(directory);
  const snapshot = files.findLast(({ kind }) => kind === "snapshot");
  const first = snapshot?.generation ?? 1;
  const logs = files.filter(({ kind, generation }) => kind === "log" && generation >= first);
  checkComplete(directory, first, logs);
  const snapshotBytes = snapshot ? replay(snapshot, restore, { mayBeTorn: false }).bytes : 0;
  const replayed = logs.map((log, index) => replay(log, restore, { mayBeTorn: index === logs.length - 1 }));
  const last = logs.at(-1)?.generation ?? first;
  return {
    // This program does not append to a log of an older version, whose readers would misread it.
    generation: replayed.at(-1)?.isCurrent === false ? last + 1 : last,
    logBytes: replayed.reduce((sum, { bytes }) => sum + bytes, 0),
    snapshotBytes,
    obsolete: files.filter(({ generation }) => generation < first).map(({ path }) => path),
  };
}

function checkComplete(directory: string, first: number, logs: readonly JournalFile[]): void {
  logs.forEach(({ generation }, index) => {
    if (generation !== first + index) {
      throw new JournalError(`The journal in ${directory} lacks its log number ${first + index}.`);
    }
  });
}

interface Replayed {
  readonly bytes: number;
  readonly isCurrent: boolean;
}

function replay(
  { path }: JournalFile,
  restore: (record: BrokerRecord) => void,
  { mayBeTorn }: { readonly mayBeTorn: boolean },
): Replayed {
  const content = readFileSync(path);
  const start = readStart(path, content);
  if (start === undefined) {
    if (!mayBeTorn) throw new JournalError(`${path} ends within its first line.`);
    truncateSync(path, 0);
    return { bytes: 0, isCurrent: true };
  }
  let { offset } = start;
  while (offset < content.length) {
    const frame = decodeFrame(content, offset);
    if (!frame) break;
    for (const record of frame.records) apply(path, record, restore);
    offset = frame.end;
  }
  if (offset < content.length) {
    if (!mayBeTorn) throw new JournalError(`${path} is damaged at byte ${offset}.`);
    truncateSync(path, offset);
  }
  return { bytes: offset - start.offset, isCurrent: start.isCurrent };
}

function apply(path: string, record: BrokerRecord, restore: (record: BrokerRecord) => void): void {
  try {
    restore(record);
  } catch (error) {
    throw new JournalError(`${path} has a record that does not fit the records before it (${String(error)}).`, {
      cause: error,
    });
  }
}
