/**
 * A dead letter meets a row (step 12). It is evidence about its own ring only, and never about a running row (R9):
 * the broker may have given up on a message whose job is healthy.
 */
import type { Job } from "./job.ts";
import { isTerminal } from "./states.ts";

export type LetterMeeting =
  /** The record of a failure: it stays until the job is requeued or somebody removes it. */
  | { readonly action: "keep" }
  /** Looked at again when the row has moved. */
  | { readonly action: "wait" }
  | { readonly action: "remove" }
  /** The row waits for a newer bell: send it, then remove the letter. */
  | { readonly action: "ring-then-remove" }
  /** The row's own bell died: hand the job back as interrupted, send the new bell, then remove the letter. */
  | { readonly action: "hand-back-then-remove" };

/** `row` undefined: a message of no job, kept for people to look at. */
export function meetLetter(
  row: Pick<Job, "state" | "ring"> | undefined,
  letter: { readonly ring: number },
): LetterMeeting {
  if (row === undefined) return { action: "keep" };
  if (isTerminal(row.state)) {
    return { action: row.state === "failed" && letter.ring === row.ring ? "keep" : "remove" };
  }
  if (row.state === "running") return { action: "wait" };
  if (letter.ring < row.ring) return { action: "ring-then-remove" };
  // Newer than its row: from a table restored from an old copy. Nothing it says is about this row.
  return letter.ring === row.ring ? { action: "hand-back-then-remove" } : { action: "keep" };
}
