/** The claims this worker holds right now: for its heartbeat, for its journal, and to reach a job that is to be canceled. */
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { CancelIntent } from "../core/worker-record.ts";
import type { ClaimJournal, HeldClaim } from "./claim-journal.ts";
import { isMachineFault } from "./machine-fault.ts";

export interface HeldClaims {
  /**
   * Call before the claim is written: a claim nobody announced counts as dead (A4). Returns the machine's fault when the
   * journal could not be written. The claim is announced nevertheless, so that its job can be told why it does not run.
   */
  begin(claim: HeldClaim): Error | undefined;
  /** Says how to cancel the job, once there is a way. */
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
        // The next run of this worker asks the row, which says that this claim is over.
        log.warn({ error: messageOf(error), claimId }, "the journal still has a claim that is over");
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
