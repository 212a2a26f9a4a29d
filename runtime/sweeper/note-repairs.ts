/** Records in the audit what a round of the sweeper has repaired: nobody asked for it, so people must be able to see it. */
import { factsOf, SWEEP_OPERATION } from "../core/audit.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { AuditStore } from "../core/ports/audit-store.ts";

export interface Repairs {
  /** For jobs whose bell was lost. */
  readonly bellsSent: number;
  /** Jobs of dead workers. */
  readonly handedBack: number;
  /** Jobs whose cancel nobody had carried out. */
  readonly canceled: number;
  readonly deadLettersRemoved: number;
}

/** Never throws: the repair is done in any case, and in the log. */
export type NoteRepairs = (repairs: Repairs) => Promise<void>;

export interface NoteRepairsDeps {
  readonly audit: Pick<AuditStore, "add">;
  /** The name of this instance. */
  readonly instance: string;
  readonly newEntryId: () => string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export const createNoteRepairs =
  ({ audit, instance, newEntryId, now, log }: NoteRepairsDeps): NoteRepairs =>
  async (repairs) => {
    const entryId = newEntryId();
    try {
      await audit.add({
        ...{ tenantName: undefined, at: now(), entryId, operation: SWEEP_OPERATION, outcome: "done", code: undefined },
        ...{ actor: `sweeper of ${instance}`, actorId: undefined, actorKind: undefined, from: undefined },
        ...{ requestId: entryId, subject: {}, before: undefined, after: factsOf({ ...repairs }) },
      });
    } catch (error) {
      log.warn({ error: messageOf(error) }, "repairs of the sweeper could not be recorded in the audit");
    }
  };
