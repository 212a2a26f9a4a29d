/** Tells from a process's last words that Node has ended it because its heap was full. */
import type { ProcessExit } from "./launch.ts";
import { type Failed, failed } from "./run.ts";

export interface HeapWitness {
  /** A line on stderr. */
  see(line: Buffer): void;
  /** The failure, if that was the reason of this exit. */
  exhausted(exit: ProcessExit): Failed | undefined;
}

/** "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", then SIGABRT. */
const LAST_WORDS = "FATAL ERROR: ";
const REASON = "JavaScript heap out of memory";
/** A shell reports a signal of its child as 128 plus its number; SIGABRT has 6. */
const ABORTED_EXIT_CODE = 134;

export function createHeapWitness(): HeapWitness {
  let seen = false;
  return {
    see(line) {
      seen ||= line.includes(REASON) && line.includes(LAST_WORDS);
    },
    exhausted({ code, signal }) {
      if (!seen || (signal !== "SIGABRT" && code !== ABORTED_EXIT_CODE)) return undefined;
      return failed("JobOutOfMemory", "The job's JavaScript heap is full: Node has ended its process.", true);
    },
  };
}
