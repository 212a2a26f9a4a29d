/** Lets the next run of a timer in when one has ended: the I/O around `askOf` of core/timer-gate.ts (R18, R19). */
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { TimerStore } from "../core/ports/timer-store.ts";
import { askOf } from "../core/timer-gate.ts";
import { jobQueueName } from "../core/topology.ts";
import { knownRows } from "./known-rows.ts";
import { outgoingBell } from "./outgoing-bell.ts";

export interface TimerTurnsDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly timers: Pick<TimerStore, "run">;
  readonly queue: Pick<JobQueue, "send">;
  /** The only pool whose queues this process may send to. Default: all. Others are rung for by the sweeper. */
  readonly pool?: string | undefined;
}

/** Throws UnavailableError. */
export async function askTimer(batchId: string, { jobs, timers, queue, pool }: TimerTurnsDeps): Promise<void> {
  let run = await timers.run(batchId);
  while (run !== undefined) {
    const rows = knownRows(jobs);
    let decision = askOf(run.value, rows.known);
    for (; decision.action === "look"; decision = askOf(run.value, rows.known)) await rows.look(decision.jobIds);
    switch (decision.action) {
      case "nothing":
        return;
      case "read-again": {
        const { etag } = run;
        run = await timers.run(batchId);
        if (run?.etag === etag) return;
        break;
      }
      case "ring": {
        const row = rows.row(decision.jobId);
        if (row === undefined || (pool !== undefined && row.value.pool !== pool)) return;
        const bell = outgoingBell(row);
        // R19: the broker may remember the one whose message was completed when the run began to wait.
        const fresh = { ...bell, messageId: `${bell.messageId}:${crypto.randomUUID()}` };
        await queue.send(jobQueueName(row.value.pool, row.value.priority), [fresh]);
        return;
      }
    }
  }
}
