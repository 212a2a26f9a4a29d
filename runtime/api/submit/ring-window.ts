/**
 * Sends bells of queued jobs, or parks the jobs: their rows wait without a bell, a note names their batch, and the refill
 * rings for them (R31). A job is parked while it is paused, and while its tenant has its share of the queue's bells. Rows
 * are written before, so a crash at any point leaves rows that the refill or the sweeper finds.
 *
 * To know a tenant's share this process looks at the queue. A look counts for a second, or for a few bells that come later.
 * Bells that it has let through may have left the queue since, so it looks again before it parks a job because of them. When
 * it cannot look or note, it sends the bells: a job must not wait for the fairness of others.
 */
import { roomsOf } from "../../core/admission/fair-share.ts";
import { jobQueueParts } from "../../core/deployment/topology.ts";
import { messageOf } from "../../core/errors.ts";
import { jobIdParts, parseBatchId } from "../../core/job/ids.ts";
import { joinCalls } from "../../core/join-calls.ts";
import type { Logger } from "../../core/logger.ts";
import type { OutgoingBell } from "../../core/ports/job-queue.ts";
import type { WaitingStore } from "../../core/ports/waiting-store.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { QueueLoads } from "../../lifecycle/queue-loads.ts";
import type { Clock } from "../../core/clock.ts";
import type { BellOutbox } from "./bell-outbox.ts";

export interface RingWindowDeps {
  readonly outbox: BellOutbox;
  readonly pauses: Pick<PauseBoard, "current">;
  readonly waiting: Pick<WaitingStore, "note" | "list">;
  readonly loads: QueueLoads;
  /** Called after jobs were parked, when the bells of this process are in their queues: else those would be rung for again. */
  readonly onParked: () => void;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** A look at a queue is used for so long, or for so many bells. */
const LOOK_FOR_MS = 1_000;
const LOOK_FOR_BELLS = 8;
/** When the bells since the look have used up a tenant's share: short jobs of one after the other end sooner than a second. */
const USED_UP_FOR_MS = 50;

interface Look {
  readonly at: number;
  readonly slots: number;
  readonly weightOf: (tenantName: string) => number;
  /** Of the look, and those that this process has sent since. */
  readonly bells: Map<string, number>;
  /** The latter alone. */
  readonly sent: Map<string, number>;
  /** Tenants with jobs that wait in their rows. */
  readonly waiting: ReadonlySet<string>;
}

/** Bells of one submit, from the look that let them through until they are in their queue: another look may not see them. */
interface UnderWay {
  readonly queue: string;
  readonly tenantName: string;
  count: number;
  readonly sent: PromiseWithResolvers<undefined>;
}

export function createRingWindow(deps: RingWindowDeps): BellOutbox {
  const { outbox, pauses, waiting, loads, onParked, now, monotonicNow, log } = deps;
  const looks = new Map<string, Look>();
  const underWay = new Set<UnderWay>();
  /** Submits at the same time share a note: it is written after the rows of all of them (R31). */
  const note = joinCalls((key) => waiting.note(...(JSON.parse(key) as [queue: string, batchId: string])));

  const lookAt = joinCalls(async (queue: string): Promise<Look> => {
    const at = monotonicNow();
    const unseen = [...underWay].map((one) => ({ ...one }));
    const [{ bells: seen }, slots, weightOf, notes] = await Promise.all([
      loads.look(queue),
      loads.slotsOf(jobQueueParts(queue).pool),
      loads.weights(),
      waiting.list(() => undefined),
    ]);
    const ofQueue = notes.filter(({ value }) => value.queue === queue);
    const tenants = new Set(ofQueue.map(({ value }) => parseBatchId(value.batchId)?.tenantName ?? value.batchId));
    const bells = new Map(seen);
    for (const { queue: name, tenantName, count } of unseen) if (name === queue) add(bells, tenantName, count);
    const look = { at, slots, weightOf, bells, sent: new Map<string, number>(), waiting: tenants };
    looks.set(queue, look);
    return look;
  });

  function roomIn({ slots, weightOf, bells, waiting: waitingTenants }: Look, tenantName: string): number {
    const tenants = new Set([...waitingTenants, tenantName]);
    const room = roomsOf({ slots, bells, leftLately: 0 }, { waiting: tenants, weightOf }).get(tenantName) ?? 0;
    // New jobs wait behind those that wait already, unless the refill keeps up.
    return waitingTenants.has(tenantName) && room <= (bells.get(tenantName) ?? 0) ? 0 : room;
  }

  function isOld(look: Look, tenantName: string, wanted: number): boolean {
    const age = monotonicNow() - look.at;
    if (roomIn(look, tenantName) < wanted) return age >= (look.sent.has(tenantName) ? USED_UP_FOR_MS : LOOK_FOR_MS);
    const sentCount = [...look.sent.values()].reduce((sum, count) => sum + count, 0);
    return age >= LOOK_FOR_MS && sentCount + wanted > LOOK_FOR_BELLS;
  }

  /** Takes as many of the wanted bells as the tenant's share has room for. */
  async function take(mine: UnderWay, wanted: number): Promise<number> {
    const { queue, tenantName } = mine;
    let look = looks.get(queue);
    if (look === undefined || isOld(look, tenantName, wanted)) look = await lookAt(queue);
    mine.count = Math.min(wanted, roomIn(look, tenantName));
    for (const counts of [look.bells, look.sent]) add(counts, tenantName, mine.count);
    return mine.count;
  }

  async function sendOrPark(queue: string, tenantName: string, bells: readonly OutgoingBell[]): Promise<void> {
    const isPaused = ({ bell }: OutgoingBell): boolean => {
      const { jobType } = bell.start;
      return pauses.current().of({ tenantName, jobType, ...jobQueueParts(queue) }) !== undefined;
    };
    // A delayed job stands in no queue yet.
    const delayed = bells.filter(({ enqueueAt }) => enqueueAt !== undefined && enqueueAt > now());
    const due = bells.filter((bell) => !delayed.includes(bell));
    const paused = due.filter(isPaused);
    const ready = due.filter((bell) => !paused.includes(bell));
    const mine: UnderWay = { queue, tenantName, count: 0, sent: Promise.withResolvers() };
    underWay.add(mine);
    let unsent = bells;
    try {
      const count = ready.length === 0 ? 0 : await take(mine, ready.length);
      const parked = [...paused, ...ready.slice(count)];
      // Before the others are sent: should this process die in between, the refill finds all of them.
      for (const batchId of new Set(parked.map(({ bell }) => jobIdParts(bell.jobId).batchId))) {
        await note(JSON.stringify([queue, batchId]));
      }
      if (parked.length > 0) void Promise.all([...underWay].map(({ sent }) => sent.promise)).then(onParked);
      unsent = [...delayed, ...ready.slice(0, count)];
    } catch (error) {
      log.warn({ queue, error: messageOf(error) }, "the share of a tenant is not known; its bells are sent");
    }
    await outbox.send(queue, unsent).finally(() => {
      underWay.delete(mine);
      mine.sent.resolve(undefined);
    });
  }

  return {
    get waitingCount() {
      return outbox.waitingCount;
    },
    assertReady: () => outbox.assertReady(),
    async send(queue, bells) {
      const byTenant = Map.groupBy(bells, ({ bell }) => jobIdParts(bell.jobId).tenantName);
      await Promise.all([...byTenant].map(([tenantName, some]) => sendOrPark(queue, tenantName, some)));
    },
    close: () => outbox.close(),
  };
}

function add(counts: Map<string, number>, name: string, count: number): void {
  if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
}
