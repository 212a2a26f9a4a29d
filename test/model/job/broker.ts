/**
 * Service Bus, as far as the protocol needs it: locks, redelivery, duplicate detection, scheduled and dead-lettered
 * messages. Also the network, on which a write may arrive late.
 */
import type { Context, JobSteps } from "./context.ts";
import { landLate } from "./worker-writes.ts";
import { type Message, messageOf, runsUserCode, type World } from "./world.ts";

export interface Bell {
  readonly job: number;
  readonly ring: number;
  readonly fresh: boolean;
  readonly interruptions: number;
  readonly scheduled?: boolean;
  readonly givenUp?: boolean;
  /** Not `jobId:ring`, but an unused one. */
  readonly ownMessageId?: boolean;
}

const bit = (ring: number): number => 1 << ring;

/** Whether duplicate detection knows the bell's MessageId. */
const isKnown = (world: World, { job, ring }: Pick<Bell, "job" | "ring">): boolean =>
  (world.sent[job]!.rings & bit(ring)) !== 0;

/** `forgotten`: the duplicate window is over for this MessageId. */
export function send({ world, protocol }: Context, bell: Bell, forgotten = false): void {
  const { job, ring, scheduled = false, givenUp = false, ownMessageId = false } = bell;
  if (!ownMessageId) {
    if (isKnown(world, bell) && !forgotten) return;
    world.sent[job]!.rings |= bit(ring);
  }
  world.messages.push({
    seq: freshSequenceNumber(world),
    job,
    ring,
    fresh: bell.fresh && protocol.procedure.etagInBell,
    interruptions: bell.interruptions,
    locked: false,
    deliveries: 0,
    scheduled,
    dead: false,
    givenUp,
  });
}

/** A send that duplicate detection may drop, or may no longer. */
export function sendSteps(
  steps: JobSteps,
  { world }: Context,
  who: string,
  bell: Bell,
  change: (next: Context, forgotten: boolean) => void,
): void {
  const swallowed = bell.ownMessageId !== true && isKnown(world, bell);
  steps.take(`${who} sends bell ${bell.ring}${swallowed ? ", which is dropped as a duplicate" : ""}`, (next) =>
    change(next, false),
  );
  if (swallowed) {
    steps.fault("window over", `${who} sends bell ${bell.ring} again, after the duplicate window`, (next) =>
      change(next, true),
    );
  }
}

export function remove(world: World, seq: number): void {
  world.messages = world.messages.filter((message) => message.seq !== seq);
}

/** The lock has ended without settlement. */
export function redeliver({ bounds }: Context, message: Message): void {
  message.locked = false;
  message.deliveries += 1;
  if (message.deliveries >= bounds.maxDeliveries) message.dead = true;
}

export const nameOf = (message: Message): string => `bell ${message.ring} (message ${message.seq})`;

export function brokerSteps(context: Context, steps: JobSteps): void {
  const { world, bounds } = context;
  for (const message of world.messages) {
    const { seq } = message;
    const name = nameOf(message);
    if (message.scheduled) {
      steps.take(`${name} becomes due`, ({ world: next }) => (messageOf(next, seq)!.scheduled = false));
    }
    if (!message.locked) {
      steps.fault("purge", `${name} vanishes`, ({ world: next }) => remove(next, seq));
      if (!message.dead && !message.scheduled) {
        steps.fault("give back", `a worker gets ${name} and gives it back`, (next) =>
          redeliver(next, messageOf(next.world, seq)!),
        );
      }
      continue;
    }
    const holder = world.workers.findIndex((worker) => worker.phase !== "idle" && worker.seq === seq && worker.locked);
    const endLock = (next: Context): void => {
      redeliver(next, messageOf(next.world, seq)!);
      if (holder >= 0) next.world.workers[holder]!.locked = false;
    };
    if (holder < 0) steps.take(`the lock of ${name} ends; it has no holder`, endLock);
    else if (!(bounds.watchdog && runsUserCode(world.workers[holder]!))) {
      steps.fault("lock expiry", `the lock of ${name} ends under worker ${holder + 1}`, endLock);
    }
  }
}

export function networkSteps({ world }: Context, steps: JobSteps): void {
  world.late.forEach((late, index) => {
    steps.take(`the late ${late.kind} write ${late.fresh ? "lands" : "is refused"}`, (next) => {
      next.world.late.splice(index, 1);
      if (late.fresh) landLate(next, late);
    });
  });
}

function freshSequenceNumber({ messages, rows, workers, late, sweeper }: World): number {
  const used = new Set([messages, rows, workers, late].flatMap((holders) => holders.map(({ seq }) => seq)));
  used.add(sweeper.letter);
  let seq = 1;
  while (used.has(seq)) seq += 1;
  return seq;
}
