/** What a worker says of itself with each heartbeat, and what others ask of it. */

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
  /** Version of the code it runs. */
  readonly version: string;
  /** Ids of the claims it holds. */
  readonly claims: readonly string[];
  /** Jobs somebody wants canceled, by the claim they ran under. Taken off with the heartbeat that heeds them. */
  readonly cancel: readonly CancelIntent[];
  /** Somebody wants it to drain and stop. */
  readonly drain: boolean;
}

export interface CancelIntent {
  readonly jobId: string;
  readonly claimId: string;
}

/** How often a worker says that it lives, and looks for intents. */
export const HEARTBEAT_MS = 5_000;

/** Whether a worker that has not said goodbye has not been heard of for so long. */
export const isSilent = (
  { state, heartbeatAt }: Pick<WorkerRecord, "state" | "heartbeatAt">,
  now: Date,
  silentAfterMs: number,
): boolean => state !== "stopped" && now.getTime() - heartbeatAt.getTime() > silentAfterMs;
