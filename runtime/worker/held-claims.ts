/** The claims this worker holds right now: for its heartbeat, for its journal, and to reach a job that is to be canceled. */
import type { CancelIntent } from "../core/worker-record.ts";
import type { ClaimJournal, HeldClaim } from "./claim-journal.ts";

export interface HeldClaims {
  /** Call before the claim is written: a claim nobody announced counts as dead (A4). */
  begin(claim: HeldClaim): void;
  /** Says how to cancel the job, once there is a way. */
  onCancel(claimId: string, cancel: () => void): void;
  /** Call when nothing of the attempt runs any more and its message is settled or left. */
  end(claimId: string): void;
  ids(): readonly string[];
  /** Cancels the job if it is still held under that claim. */
  cancel(intent: CancelIntent): void;
}

export function createHeldClaims(journal: Pick<ClaimJournal, "begin" | "end">): HeldClaims {
  const held = new Map<string, { cancel: () => void; wanted: boolean }>();
  return {
    begin(claim) {
      journal.begin(claim);
      held.set(claim.claimId, { cancel: () => undefined, wanted: false });
    },
    onCancel(claimId, cancel) {
      const entry = held.get(claimId);
      if (entry === undefined) return;
      entry.cancel = cancel;
      if (entry.wanted) cancel();
    },
    end(claimId) {
      held.delete(claimId);
      journal.end(claimId);
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
