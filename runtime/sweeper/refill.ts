/**
 * Rings for queued jobs that wait without a bell, as soon as they may have one: their pause is over, and their tenant's
 * share of the queue has room (R31 to R33). A note names each batch with such jobs. The rows of a batch are read in passes,
 * page by page as bells are needed. A note is removed on the version that was read before a whole pass found no
 * waiting job (R32). All state here can be lost: another process begins new passes.
 */
import { randomUUID } from "node:crypto";
import { type Departure, isDraining, lately, leftLately, roomsOf } from "../core/admission/fair-share.ts";
import type { PauseSet } from "../core/admission/pause.ts";
import { jobQueueName, jobQueueParts } from "../core/deployment/topology.ts";
import { bellMessageId, bellOf } from "../core/job/bell.ts";
import { isComplete } from "../core/job/completion.ts";
import { parseBatchId } from "../core/job/ids.ts";
import type { Job } from "../core/job/job.ts";
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobQueue, OutgoingBell } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import type { Stored } from "../core/ports/stored.ts";
import type { WaitingNote, WaitingStore } from "../core/ports/waiting-store.ts";
import type { Unreadable } from "../core/unreadable.ts";
import type { BatchCompletion } from "../lifecycle/batch-completion.ts";
import type { PauseBoard } from "../lifecycle/pause-board.ts";
import { type QueueLoads, type QueueLook, bellName } from "../lifecycle/queue-loads.ts";
import type { Clock } from "../core/clock.ts";

export interface RefillDeps {
  readonly jobs: Pick<JobStore, "scan">;
  readonly batches: Pick<BatchStore, "get">;
  readonly completion: Pick<BatchCompletion, "reopenBatch">;
  readonly waiting: Pick<WaitingStore, "list" | "remove">;
  readonly queue: Pick<JobQueue, "send">;
  readonly loads: QueueLoads;
  readonly pauses: Pick<PauseBoard, "current">;
  /** Whether a queued job has no bell because it waits for another job. Throws UnavailableError. */
  readonly waitsForAnother: (job: Job) => Promise<boolean>;
  /** Before the first bell of a job with a unique key (R43). False: it was canceled. Default: none has one. */
  readonly placeUnique?: ((stored: Stored<Job>) => Promise<boolean>) | undefined;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly monotonicNow: Clock["monotonicNow"];
}

export interface RefillReport {
  readonly rangCount: number;
  /** Jobs may wait for room. */
  readonly isPending: boolean;
  /** Slots may stand idle until the next round. */
  readonly isDraining: boolean;
}

export interface Refill {
  /** Rings once for whatever has room. Throws UnavailableError. */
  round(): Promise<RefillReport>;
}

/**
 * After a change of pauses, workers go by the ones before for some seconds. They put off what was just rung for, and notes
 * must not go away meanwhile.
 */
const PAUSES_SETTLE_MS = 10_000;
/** Between two passes over a batch that had nothing to ring for. It doubles. */
const PASS_AGAIN_MS = 1_000;
const PASS_AGAIN_MAX_MS = 30_000;

interface Pass {
  /** As it was before the pass began. */
  readonly note: Stored<WaitingNote>;
  readonly batchEtag: string | undefined;
  readonly rows: AsyncIterator<Stored<Job>>;
  /** R13: the batch is complete. It is opened again before a bell of its jobs is sent, and not without one. */
  mustReopen: boolean;
  rangCount: number;
  /** It has jobs of a paused type. */
  holdsPaused: boolean;
  /** It has jobs with a bell, which a worker may be about to put off (R32). */
  holdsBells: boolean;
}

interface QueueRound {
  readonly at: number;
  /** In the queue after it. */
  readonly bellCount: number;
  /** Until then, as far as they count. */
  readonly departures: readonly Departure[];
}

/** Nothing is to be rung for until then, unless the note or the pauses change. */
interface Rest {
  readonly etag: string;
  readonly until: number;
  readonly ms: number;
}

export function createRefill(deps: RefillDeps): Refill {
  const { jobs, batches, completion, waiting, queue, loads, pauses, unreadable, monotonicNow } = deps;
  const passes = new Map<string, Pass>();
  const rests = new Map<string, Rest>();
  /** By queue: its latest round. */
  const rounds = new Map<string, QueueRound>();
  let seenPauses: PauseSet | undefined;
  let pausesChangedAt = monotonicNow();

  /**
   * The pass under way, or a new one. A batch that was canceled or requeued meanwhile is read anew: the page at hand would
   * name jobs that have ended.
   */
  async function passOver(note: Stored<WaitingNote>): Promise<Pass> {
    const stored = await batches.get(note.value.batchId);
    const current = passes.get(keyOf(note.value));
    if (current !== undefined && current.batchEtag === stored?.etag) return current;
    const batch = stored?.value;
    const rows = batch === undefined ? nothing() : jobs.scan(batch, "queued", unreadable.note);
    return {
      batchEtag: stored?.etag,
      note,
      rows: rows[Symbol.asyncIterator](),
      mustReopen: batch !== undefined && isComplete(batch),
      rangCount: 0,
      holdsPaused: false,
      holdsBells: false,
    };
  }

  /** The next row of a pass that has no bell and may have one. Undefined: the pass is over. */
  async function nextRow(pass: Pass, look: QueueLook): Promise<Stored<Job> | undefined> {
    const { queue: queueName } = pass.note.value;
    for (;;) {
      const next = await pass.rows.next();
      if (next.done === true) return undefined;
      const job = next.value.value;
      if (jobQueueName(job.pool, job.priority) !== queueName) continue;
      if (pauses.current().of(job) !== undefined) {
        pass.holdsPaused = true;
        continue;
      }
      if (look.names.has(bellName(job.jobId, job.ring))) {
        pass.holdsBells = true;
        continue;
      }
      if (await deps.waitsForAnother(job)) continue;
      if (deps.placeUnique !== undefined && !(await deps.placeUnique(next.value))) continue;
      return next.value;
    }
  }

  async function endPass(key: string, pass: Pass, note: Stored<WaitingNote>): Promise<void> {
    passes.delete(key);
    // A bell that was just rung may have been lost, and a new note may be about rows that this pass had gone by.
    const isSettling = monotonicNow() - pausesChangedAt < PAUSES_SETTLE_MS;
    if (pass.rangCount > 0 || note.etag !== pass.note.etag) return;
    if (pass.holdsPaused || pass.holdsBells || isSettling) {
      const before = rests.get(key);
      const isFirst = before === undefined || before.etag !== note.etag;
      const ms = isFirst ? PASS_AGAIN_MS : Math.min(PASS_AGAIN_MAX_MS, 2 * before.ms);
      // Only a change lets paused jobs go on.
      const until = pass.holdsPaused && !pass.holdsBells ? Infinity : monotonicNow() + ms;
      rests.set(key, { etag: note.etag, until, ms });
      return;
    }
    await waiting.remove(pass.note);
  }

  /** Rows of one tenant, up to its room, from its oldest batch on. */
  async function collect(notes: readonly Stored<WaitingNote>[], room: number, look: QueueLook) {
    const rows: Stored<Job>[] = [];
    for (const note of notes) {
      const key = keyOf(note.value);
      const pass = await passOver(note);
      passes.set(key, pass);
      while (rows.length < room) {
        const row = await nextRow(pass, look);
        if (row === undefined) {
          await endPass(key, pass, note);
          break;
        }
        if (pass.mustReopen) await completion.reopenBatch(note.value.batchId);
        pass.mustReopen = false;
        pass.rangCount++;
        rows.push(row);
      }
      if (rows.length >= room) break;
    }
    return rows;
  }

  async function refillQueue(queueName: string, notes: readonly Stored<WaitingNote>[]) {
    const { pool } = jobQueueParts(queueName);
    const at = monotonicNow();
    const [look, slots, weightOf] = await Promise.all([loads.look(queueName), loads.slotsOf(pool), loads.weights()]);
    const total = [...look.bells.values()].reduce((sum, count) => sum + count, 0);
    const before = rounds.get(queueName);
    const left = { from: before?.at ?? at, to: at, count: Math.max(0, (before?.bellCount ?? 0) - total) };
    const departures = lately([...(before?.departures ?? []), left]);
    const load = { slots, bells: look.bells, leftLately: leftLately(departures) };
    const byTenant = Map.groupBy(notes, ({ value }) => tenantOf(value));
    const rooms = roomsOf(load, { waiting: new Set(byTenant.keys()), weightOf });
    const bells: OutgoingBell[] = [];
    for (const [tenantName, ofTenant] of byTenant) {
      const room = rooms.get(tenantName) ?? 0;
      if (room > 0) bells.push(...(await collect(ofTenant, room, look)).map(freshBell));
    }
    if (bells.length > 0) await queue.send(queueName, bells);
    rounds.set(queueName, { at, bellCount: total + bells.length, departures });
    return { rangCount: bells.length, isDraining: bells.length > 0 && isDraining(load) };
  }

  const isHeld = ({ value }: Stored<WaitingNote>): boolean => {
    const { pool, priority } = jobQueueParts(value.queue);
    return pauses.current().ofTenant(tenantOf(value), pool, priority) !== undefined;
  };

  const isResting = (note: Stored<WaitingNote>): boolean => {
    const rest = rests.get(keyOf(note.value));
    return rest !== undefined && rest.etag === note.etag && monotonicNow() < rest.until;
  };

  return {
    async round() {
      if (seenPauses !== pauses.current()) {
        seenPauses = pauses.current();
        pausesChangedAt = monotonicNow();
        // What was skipped may be rung for now.
        passes.clear();
        rests.clear();
      }
      const notes = await waiting.list(unreadable.note);
      const known = new Set(notes.map(({ value }) => keyOf(value)));
      for (const key of [...passes.keys(), ...rests.keys()]) {
        if (known.has(key)) continue;
        passes.delete(key);
        rests.delete(key);
      }
      const open = notes
        .filter((note) => !isHeld(note) && !isResting(note))
        .toSorted((a, b) => a.value.since.getTime() - b.value.since.getTime());
      const byQueue = Map.groupBy(open, ({ value }) => value.queue);
      for (const name of rounds.keys()) if (!byQueue.has(name)) rounds.delete(name);
      const refilled = [];
      for (const [queueName, ofQueue] of byQueue) refilled.push(await refillQueue(queueName, ofQueue));
      return {
        rangCount: refilled.reduce((sum, { rangCount }) => sum + rangCount, 0),
        isPending: open.length > 0,
        isDraining: refilled.some((one) => one.isDraining),
      };
    },
  };
}

/** R33: a fresh MessageId, because the broker may remember the usual one of a bell that was put off. */
const freshBell = ({ value: job, etag }: Stored<Job>): OutgoingBell => ({
  bell: bellOf(job, etag),
  messageId: `${bellMessageId(job.jobId, job.ring)}:${randomUUID()}`,
  enqueueAt: job.runAt,
});

const keyOf = ({ queue, batchId }: WaitingNote): string => `${queue}.${batchId}`;

/** Notes name batches that exist or existed. */
const tenantOf = ({ batchId }: WaitingNote): string => parseBatchId(batchId)?.tenantName ?? batchId;

async function* nothing(): AsyncGenerator<never> {
  // A batch whose row is gone has no jobs.
}
