/** Every operation of the web API, in one list: the source of its routes and of its document. */
import type { AuthFacts } from "../../core/http/auth-facts.ts";
import type { IdSource } from "../../core/job/ids.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobQueue } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { KeyStore } from "../../core/ports/key-store.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { WorkerStore } from "../../core/ports/worker-store.ts";
import { createBatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { TimerRegistration } from "../../timers/register/registration.ts";
import { createAcceptance } from "../submit/write-jobs.ts";
import { accessOperations } from "./access-routes.ts";
import { createBatchIntake } from "../submit/find-batch.ts";
import { createBatchCommands } from "../batch-commands.ts";
import { batchOperations } from "./batch-routes.ts";
import { createDeadLetters, deadLetterOperations } from "./dead-letter-routes.ts";
import { eventOperations, type EventOperationDeps } from "./event-routes.ts";
import { jobOutputOperations } from "./job-output-routes.ts";
import { jobOperations } from "./job-routes.ts";
import { createKnownJobs } from "../submit/known-jobs.ts";
import { createLookup } from "../lookup.ts";
import type { Operation } from "../http/operation.ts";
import { packageOperations } from "./package-routes.ts";
import { createReservations } from "../submit/reservations.ts";
import type { BellOutbox } from "../submit/bell-outbox.ts";
import { createRunTimer } from "../submit/run-timer.ts";
import { createSubmitter } from "../submit/submit-jobs.ts";
import { submitOperations } from "./submit-routes.ts";
import { webhookOperations, type WebhookOperationDeps } from "./webhook-routes.ts";
import { timerOperations } from "./timer-routes.ts";
import { workerOperations } from "./worker-routes.ts";

export interface OperationDeps extends Omit<EventOperationDeps, "lookup">, WebhookOperationDeps {
  readonly jobs: JobStore;
  readonly batches: BatchStore;
  readonly keys: KeyStore;
  readonly workers: Pick<WorkerStore, "get" | "list" | "requestCancel" | "requestDrain">;
  readonly files: JobFiles;
  readonly queue: Pick<JobQueue, "send" | "peek" | "takeDeadLetters">;
  /** Sends to the same queue; closed by whoever made it. */
  readonly outbox: BellOutbox;
  /** Told of what the API does to jobs and batches. */
  readonly events: JobEvents;
  readonly ids: IdSource;
  readonly packages: PackageCatalog;
  /** Whether a package comes with this release and is not published yet. */
  readonly isReleasePending: (tenantName: string, packageName: string) => boolean;
  readonly tenants: TenantStore;
  readonly timers: Pick<TimerStore, "get" | "list" | "run" | "write">;
  /** Has the scheduler of this process look at its timers at once. */
  readonly wakeScheduler: () => void;
  /** Told of packages that come and go. */
  readonly timerRegistration: TimerRegistration;
  readonly now: () => Date;
  /** Throws UnavailableError when this process's clock cannot be trusted. */
  readonly trustedNow: () => Date;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
  /** Between two looks at a log that is followed. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
  /** Without a heartbeat for so long, a worker's jobs are given to others. */
  readonly silentAfterMs: number;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  /** How to sign in. */
  readonly authFacts: AuthFacts;
}

export function createOperations(deps: OperationDeps): readonly Operation[] {
  const lookup = createLookup(deps);
  const completion = createBatchCompletion(deps);
  const shared = { ...deps, lookup, completion };
  const reservations = createReservations(deps);
  const intake = createBatchIntake({ ...shared, reservations });
  const acceptance = createAcceptance(shared);
  const knownJobs = createKnownJobs(deps);
  const submitter = createSubmitter({ ...deps, intake, reservations, acceptance, knownJobs });
  const runTimer = createRunTimer({ ...deps, reservations, acceptance });
  return [
    ...submitOperations({ submitter, intake }),
    ...jobOperations(shared),
    ...jobOutputOperations(shared),
    ...batchOperations({ ...shared, intake, commands: createBatchCommands(shared) }),
    ...deadLetterOperations(createDeadLetters(deps)),
    ...packageOperations(deps),
    ...timerOperations({ ...deps, runTimer }),
    ...eventOperations(shared),
    ...webhookOperations(deps),
    ...workerOperations(deps),
    ...accessOperations(deps),
  ];
}
