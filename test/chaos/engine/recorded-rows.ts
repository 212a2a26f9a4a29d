/** Rows in the record: the fields of a job and of a batch that the checker needs, read from their cells. */

export interface JobRow {
  readonly state: string;
  readonly ring: number;
  readonly attempts: number;
  readonly interruptions: number;
  readonly executions: number;
  readonly claimId: string;
  readonly claimWorker: string;
  readonly cancelWanted: boolean;
  readonly reopen: boolean;
  /** In ms since the epoch. */
  readonly runAt: number | undefined;
  readonly tenantName: string;
  readonly jobType: string;
  readonly pool: string;
  readonly priority: string;
  /** Empty: no such limit holds for it. */
  readonly concurrencyKey: string;
  readonly etag: string;
}

export interface BatchRow {
  readonly state: string;
  readonly generation: number;
  readonly completedGeneration: number;
  readonly etag: string;
}

/** An entry of a job's history, as one write has it. */
export interface WrittenStart {
  readonly claimId: string;
  readonly outcome: string | undefined;
}

export type RecordedCells = Readonly<Record<string, unknown>>;

export interface StoredCells {
  readonly cells: RecordedCells;
  readonly etag: string;
}

const number = (value: unknown): number => Number(value ?? 0);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

export const jobRow = (jobId: string, { cells, etag }: StoredCells): JobRow => ({
  state: text(cells["state"]),
  ring: number(cells["ring"]),
  attempts: number(cells["attempts"]),
  interruptions: number(cells["interruptions"]),
  executions: number(cells["executions"]),
  claimId: text(cells["claimId"]),
  claimWorker: text(cells["claimWorker"]),
  cancelWanted: cells["cancelWanted"] === true,
  reopen: cells["reopen"] === true,
  runAt: text(cells["runAt"]) === "" ? undefined : Date.parse(text(cells["runAt"])),
  tenantName: jobId.split(".")[0] ?? "",
  jobType: text(cells["jobType"]),
  pool: text(cells["pool"]),
  priority: text(cells["priority"]),
  concurrencyKey: text(cells["concurrencyKey"]),
  etag,
});

export const batchRow = ({ cells, etag }: StoredCells): BatchRow => ({
  state: text(cells["state"]),
  generation: number(cells["generation"]),
  completedGeneration: number(cells["completedGeneration"]),
  etag,
});

export function startsOf(cells: RecordedCells): WrittenStart[] {
  return Object.entries(cells).flatMap(([name, value]) => {
    if (!/^attempt_\d{3}$/.test(name) || typeof value !== "string") return [];
    const { claimId, outcome } = JSON.parse(value) as { claimId: string; outcome?: string };
    return [{ claimId, outcome }];
  });
}
