/** The files of a data directory. `N.snapshot` is the state before `N.log`. Later logs continue it. */
import { closeSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type BrokerRecord, READABLE_RECORD_VERSIONS, RECORD_VERSION } from "../engine/records.ts";
import { encodeFrame } from "./frame.ts";

const FORMAT = "jobyard-bus-journal";

/** The first line of every file, readable by people and by every future version. */
export const FILE_HEADER = Buffer.from(`${JSON.stringify({ format: FORMAT, version: RECORD_VERSION })}\n`);

export const logPath = (directory: string, generation: number): string =>
  join(directory, `${String(generation).padStart(6, "0")}.log`);

const snapshotPath = (directory: string, generation: number): string =>
  join(directory, `${String(generation).padStart(6, "0")}.snapshot`);

export interface JournalFile {
  readonly path: string;
  readonly kind: "log" | "snapshot";
  readonly generation: number;
}

/** Oldest first; a snapshot before the log of the same generation. */
export function listFiles(directory: string): JournalFile[] {
  return readdirSync(directory)
    .map((name) => /^(\d+)\.(log|snapshot)$/.exec(name))
    .filter((match) => match !== null)
    .map(([name, generation, kind]) => ({
      path: join(directory, name),
      kind: kind === "log" ? ("log" as const) : ("snapshot" as const),
      generation: Number(generation),
    }))
    .sort((a, b) => a.generation - b.generation || (a.kind === "snapshot" ? -1 : 1));
}

export interface FileStart {
  /** Where the frames begin. */
  readonly offset: number;
  /** Whether the file has the current version. Only then may this program append to it. */
  readonly isCurrent: boolean;
}

/**
 * Reads the first line. Undefined when the file ends within it, after a crash during its creation.
 *
 * @throws JournalError when the file is not ours or of a version that cannot be read.
 */
export function readStart(path: string, content: Buffer): FileStart | undefined {
  const lineEnd = content.indexOf(0x0a);
  if (lineEnd < 0 && content.length < FILE_HEADER.length && FILE_HEADER.subarray(0, content.length).equals(content)) {
    return undefined;
  }
  const header = parseHeader(content.toString("utf8", 0, Math.max(0, Math.min(lineEnd, 200))));
  if (header?.format !== FORMAT) throw new JournalError(`${path} is not a journal of the local Service Bus.`);
  if (!READABLE_RECORD_VERSIONS.some((version) => version === header.version)) {
    throw new JournalError(
      `${path} was written in journal version ${String(header.version)}, but this program reads only version ` +
        `${READABLE_RECORD_VERSIONS.join(" or ")}: use the program that wrote it, or move its directory away to start empty.`,
    );
  }
  return { offset: lineEnd + 1, isCurrent: header.version === RECORD_VERSION };
}

function parseHeader(line: string): { readonly format?: unknown; readonly version?: unknown } | undefined {
  try {
    const header: unknown = JSON.parse(line);
    return typeof header === "object" && header !== null ? header : undefined;
  } catch {
    // Not JSON, so not our header. The caller throws.
    return undefined;
  }
}

/** Makes the creation, renaming and removal of files in a directory durable. */
export function syncDirectory(directory: string): void {
  // Windows cannot open directories, and does not need it.
  if (process.platform === "win32") return;
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The journal cannot be read or written. The message is one sentence for the person who runs the bus. */
export class JournalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
  }
}

const RECORDS_PER_FRAME = 256;

/** Encodes the whole state at once, because it must not change meanwhile. Needs about as much memory as the state. */
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

/** Writes a complete snapshot or none, and removes the files of older generations. @returns its size in bytes. */
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
  // The content is durable before the name, and the name before the old files are removed.
  await rename(temporary, path);
  syncDirectory(directory);
  for (const old of listFiles(directory)) if (old.generation < generation) await rm(old.path);
  return frames.reduce((sum, frame) => sum + frame.length, 0);
}
