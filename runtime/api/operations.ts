/** Every operation of the web API, in one list: the source of its routes and of its document. */
import type { IdSource } from "../core/ids.ts";
import type { BatchStore, JobFiles, JobQueue, JobStore, KeyStore, WorkerStore } from "../core/ports.ts";
import { createBatchCompletion } from "../jobs/batch-completion.ts";
import { createAcceptance } from "./accept-jobs.ts";
import { createBatchIntake } from "./batch-intake.ts";
import { createBatchCommands } from "./batch-commands.ts";
import { batchCommandOperations } from "./batch-command-operations.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { deadLetterOperations } from "./dead-letter-operations.ts";
import { jobCommandOperations } from "./job-command-operations.ts";
import { createLookup } from "./lookup.ts";
import type { Operation } from "./operation.ts";
import { readOperations } from "./read-operations.ts";
import { createReservations } from "./reservations.ts";
import type { Ringer } from "./ringer.ts";
import { createSubmitter } from "./submit.ts";
import { submitOperations } from "./submit-operations.ts";

export interface OperationDeps {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly workers: Pick<WorkerStore, "requestCancel">;
  readonly files: JobFiles;
  readonly queue: Pick<JobQueue, "peek" | "takeDeadLetters">;
  /** Sends to the same queue; closed by whoever made it. */
  readonly ringer: Ringer;
  readonly ids: IdSource;
  readonly now: () => Date;
  /** The worker pools there are. */
  readonly pools: readonly string[];
}

export function createOperations(deps: OperationDeps): readonly Operation[] {
  const lookup = createLookup(deps);
  const completion = createBatchCompletion(deps);
  const shared = { ...deps, lookup, completion };
  const reservations = createReservations(deps);
  const intake = createBatchIntake({ ...shared, reservations });
  const submitter = createSubmitter({ ...deps, intake, reservations, acceptance: createAcceptance(shared) });
  return [
    ...submitOperations({ submitter, intake }),
    ...readOperations(shared),
    ...jobCommandOperations(shared),
    ...batchCommandOperations({ ...shared, commands: createBatchCommands(shared) }),
    ...deadLetterOperations(createDeadLetters(deps)),
  ];
}
