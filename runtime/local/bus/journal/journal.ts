/**
 * The durable record log. It appends frames in groups, with one disk synchronisation for each group. Frames that arrive
 * while a group is being written form the next. A snapshot replaces old logs when they have grown.
 */
import { closeSync, constants, fdatasync, openSync, rmSync, write, writeSync, fstatSync } from "node:fs";
import type { BrokerRecord } from "../engine/records.ts";
import type { RecordLog } from "../host.ts";
import { DurableCallbacks } from "./record-log.ts";
import { FILE_HEADER, JournalError, encodeSnapshot, logPath, syncDirectory, writeSnapshot } from "./files.ts";
import { encodeFrame } from "./frame.ts";
import type { RecoveredJournal } from "./recovery.ts";

export interface JournalOptions {
  readonly directory: string;
  readonly recovered: RecoveredJournal;
  /** The records that rebuild the current state, including everything appended so far. */
  readonly snapshot: () => Iterable<BrokerRecord>;
  /** Called once when nothing more can be written. Waiting callbacks are never called then. */
  readonly onFailure: (error: JournalError) => void;
  /** A snapshot replaces logs that exceed this and twice the last snapshot. Default 64 MiB. */
  readonly compactAtBytes?: number;
}

const DEFAULT_COMPACT_AT_BYTES = 64 * 1_048_576;

/** With it, one call does the work of write and fdatasync. Some platforms do not have it. */
const { O_DSYNC } = constants as { readonly O_DSYNC?: number };
const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (O_DSYNC ?? 0);

/** States: idle → writing → idle; any → failed; idle → closed. `closed` waits for what is being written. */
export class Journal implements RecordLog {
  readonly #options: JournalOptions;
  readonly #callbacks = new DurableCallbacks();
  #descriptor: number;
  #generation: number;
  #logBytes: number;
  #snapshotBytes: number;
  #pending: Buffer[] = [];
  #writing = false;
  #failed = false;
  #scheduled = false;
  #compacting: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#generation = options.recovered.generation;
    this.#logBytes = options.recovered.logBytes;
    this.#snapshotBytes = options.recovered.snapshotBytes;
    this.#descriptor = this.#openLog();
    for (const path of options.recovered.obsolete) rmSync(path);
  }

  get busy(): boolean {
    return this.#writing || this.#pending.length > 0;
  }

  append(records: readonly BrokerRecord[]): void {
    if (this.#failed) return;
    this.#pending.push(encodeFrame(records));
    this.#callbacks.appended();
    this.#schedule();
  }

  whenDurable(callback: () => void): void {
    this.#callbacks.add(callback);
  }

  /** Writes waiting records and closes the file. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#settleIfIdle();
    });
    await this.#compacting;
    closeSync(this.#descriptor);
  }

  /** Collects a group until the current turn of the event loop ends. */
  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#writeGroup();
    });
  }

  #writeGroup(): void {
    if (this.#failed || this.#writing) return;
    this.#writing = true;
    const frames = this.#pending;
    this.#pending = [];
    const { compactAtBytes = DEFAULT_COMPACT_AT_BYTES } = this.#options;
    const compact = !this.#compacting && this.#logBytes > Math.max(compactAtBytes, 2 * this.#snapshotBytes);
    // Taken together with the group, so that the snapshot and the later logs are exactly the state.
    const snapshot = compact ? encodeSnapshot(this.#options.snapshot()) : undefined;
    this.#write(Buffer.concat(frames), 0, () => {
      this.#writing = false;
      if (snapshot) this.#startGeneration(snapshot);
      this.#callbacks.written(frames.length);
      if (this.#pending.length > 0) this.#writeGroup();
      else this.#settleIfIdle();
    });
  }

  #write(group: Buffer, offset: number, done: () => void): void {
    write(this.#descriptor, group, offset, group.length - offset, null, (error, written) => {
      if (error) this.#fail(error);
      else if (offset + written < group.length) this.#write(group, offset + written, done);
      else {
        this.#logBytes += group.length;
        if (O_DSYNC !== undefined) done();
        else fdatasync(this.#descriptor, (failure) => (failure ? this.#fail(failure) : done()));
      }
    });
  }

  #openLog(): number {
    const { directory } = this.#options;
    const descriptor = openSync(logPath(directory, this.#generation), OPEN_FLAGS, 0o600);
    if (fstatSync(descriptor).size === 0) writeSync(descriptor, FILE_HEADER);
    syncDirectory(directory);
    return descriptor;
  }

  /** Continues in a new log. Older files are removed when the snapshot before it is durable. */
  #startGeneration(snapshot: readonly Buffer[]): void {
    try {
      closeSync(this.#descriptor);
      this.#generation++;
      this.#descriptor = this.#openLog();
      this.#logBytes = 0;
      this.#compacting = writeSnapshot(this.#options.directory, this.#generation, snapshot).then(
        (bytes) => {
          this.#snapshotBytes = bytes;
          this.#compacting = undefined;
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #settleIfIdle(): void {
    if (!this.#failed && (this.#writing || this.#pending.length > 0)) return;
    this.#onIdle?.();
  }

  #fail(cause: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#pending = [];
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#options.onFailure(
      new JournalError(`The journal in ${this.#options.directory} cannot be written: ${reason}.`, { cause }),
    );
    this.#onIdle?.();
  }
}
