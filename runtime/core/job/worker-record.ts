/** A worker's row: what it writes with each heartbeat, and what others ask of it. */

export const WORKER_STATES = ["running", "draining", "stopped"] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

export interface WorkerRecord {
  readonly pool: string;
  /** The same after a restart of the machine's worker. */
  readonly workerId: string;
  /** New with every start of the process. */
  readonly bootId: string;
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  readonly state: WorkerState;
  readonly slots: number;
  /** Whether its machine is protected from scale-in. Undefined: it is not on a scale set, or protection is off. */
  readonly isProtected?: boolean | undefined;
  /** Version of the code it runs. */
  readonly version: string;
  /** Ids of the claims it holds. */
  readonly claims: readonly string[];
  /** Jobs to cancel, by the claim they ran under. The heartbeat that heeds them removes them. */
  readonly cancel: readonly CancelIntent[];
  /** It must drain and stop. */
  readonly drain: boolean;
}

export interface CancelIntent {
  readonly jobId: string;
  readonly claimId: string;
}

/** How often a worker writes its row and reads intents from it. */
export const HEARTBEAT_MS = 5_000;

/** Whether a worker that has not stopped has sent no heartbeat for this long. */
export const isSilent = (
  { state, heartbeatAt }: Pick<WorkerRecord, "state" | "heartbeatAt">,
  now: Date,
  silentAfterMs: number,
): boolean => state !== "stopped" && now.getTime() - heartbeatAt.getTime() > silentAfterMs;
