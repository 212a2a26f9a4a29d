/**
 * The claims of this worker on its own disk. After a crash, the next worker on the same machine knows them at once and
 * completely; the heartbeat is some seconds old. The file survives the end of the process, not of the machine. Then the
 * broker's locks give the jobs back.
 *
 * One file a boot, removed when the boot ends in order. A line `+ claimId jobId queue sequenceNumber` is written before
 * the claim, `- claimId` after its message is settled.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import type { CancelIntent } from "../core/job/worker-record.ts";
import type { Logger } from "../core/logger.ts";
import { isMachineFault } from "./attempt/machine-fault.ts";

export interface HeldClaim {
  readonly claimId: string;
  readonly jobId: string;
  /** The message it was, or was to be, claimed with. */
  readonly queue: string;
  readonly sequenceNumber: string;
}

/** What boots that did not end in order have left behind. */
export interface LeftBehind {
  /** Claims whose messages they had not settled. */
  readonly held: readonly HeldClaim[];
  /** The highest sequence number they received from each queue, settled or not. */
  readonly received: ReadonlyMap<string, bigint>;
}

export interface ClaimJournal {
  /** Synchronous: when it returns, a crash of this process forgets nothing. Throws what the disk says, as `end` does. */
  begin(claim: HeldClaim): void;
  end(claimId: string): void;
  /** Undefined: every earlier boot ended in order, or has been handed back. */
  left(): Promise<LeftBehind | undefined>;
  /** Forgets what earlier boots left: it has been handed back. */
  forgetLeft(): Promise<void>;
  /** Ends this boot in order: it holds nothing any more. */
  close(): void;
}

const FILE = /^claims-.+\.log$/;

export function openClaimJournal(directory: string, bootId: string): ClaimJournal {
  mkdirSync(directory, { recursive: true });
  const own = `claims-${bootId}.log`;
  const file = openSync(join(directory, own), "a");

  const earlierFiles = async (): Promise<string[]> =>
    (await readdir(directory)).filter((name) => FILE.test(name) && name !== own).map((name) => join(directory, name));

  let torn = false;
  /** A line that did not fit on the disk may have left its beginning there: the next one begins anew. */
  const append = (line: string): void => {
    const text = torn ? `\n${line}\n` : `${line}\n`;
    torn = true;
    appendFileSync(file, text);
    torn = false;
  };

  return {
    begin: ({ claimId, jobId, queue, sequenceNumber }) => append(`+ ${claimId} ${jobId} ${queue} ${sequenceNumber}`),
    end: (claimId) => append(`- ${claimId}`),
    async left() {
      const texts = await Promise.all((await earlierFiles()).map((path) => readFile(path, "utf8")));
      return texts.length === 0 ? undefined : leftIn(texts);
    },
    async forgetLeft() {
      await Promise.all((await earlierFiles()).map((path) => rm(path, { force: true })));
    },
    close() {
      closeSync(file);
      rmSync(join(directory, own), { force: true });
    },
  };
}

/** A last line without a line break was being written when the process died: its claim had not been made. */
export function leftIn(texts: readonly string[]): LeftBehind {
  const held = new Map<string, HeldClaim>();
  const received = new Map<string, bigint>();
  for (const text of texts) {
    for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
      const [sign, claimId, jobId, queue, sequenceNumber] = line.split(" ");
      if (claimId === undefined) continue;
      if (sign === "-") held.delete(claimId);
      if (sign !== "+" || jobId === undefined || queue === undefined || sequenceNumber === undefined) continue;
      held.set(claimId, { claimId, jobId, queue, sequenceNumber });
      const number = BigInt(sequenceNumber);
      if (number > (received.get(queue) ?? 0n)) received.set(queue, number);
    }
  }
  return { held: [...held.values()], received };
}

/** The claims that this worker holds now: for its heartbeat, for its journal, and to reach a job that is to be canceled. */
export interface HeldClaims {
  /**
   * Call before the claim is written: an unannounced claim counts as dead (A4). Returns the machine's fault when the
   * journal could not be written. The claim is announced nevertheless, so that the job's log can say why it does not run.
   */
  begin(claim: HeldClaim): Error | undefined;
  /** Registers how to cancel the job, once there is a way. */
  onCancel(claimId: string, cancel: () => void): void;
  /** Call when nothing of the attempt runs any more and its message is settled or left. */
  end(claimId: string): void;
  ids(): readonly string[];
  /** Cancels the job if it is still held under that claim. */
  cancel(intent: CancelIntent): void;
}

export function createHeldClaims(journal: Pick<ClaimJournal, "begin" | "end">, log: Logger): HeldClaims {
  const held = new Map<string, { cancel: () => void; wanted: boolean }>();
  return {
    begin(claim) {
      let fault: Error | undefined;
      try {
        journal.begin(claim);
      } catch (error) {
        if (!isMachineFault(error)) throw error;
        fault = error;
      }
      held.set(claim.claimId, { cancel: () => undefined, wanted: false });
      return fault;
    },
    onCancel(claimId, cancel) {
      const entry = held.get(claimId);
      if (entry === undefined) return;
      entry.cancel = cancel;
      if (entry.wanted) cancel();
    },
    end(claimId) {
      held.delete(claimId);
      try {
        journal.end(claimId);
      } catch (error) {
        if (!isMachineFault(error)) throw error;
        // The next run of this worker reads the row, which says that this claim is over.
        log.warn({ claimId, error: messageOf(error) }, "the journal still has a claim that is over");
      }
    },
    ids: () => [...held.keys()],
    cancel({ claimId }) {
      const entry = held.get(claimId);
      if (entry === undefined) return;
      entry.wanted = true;
      entry.cancel();
    },
  };
}
