/**
 * The sweeper (steps 10 to 12): sends bells for queued rows without one, hands back running rows of dead workers, and
 * handles dead letters. It writes first and sends bells afterwards, and may die in between. A restarted worker that
 * hands back its own jobs takes the same steps.
 */
import type { Job } from "../../../runtime/core/job/job.ts";
import { remove, send, sendSteps } from "./broker.ts";
import type { Context, JobSteps } from "./context.ts";
import { claimOf, jobOf, NOW, writeRow } from "./rows.ts";
import type { Message, Row, Sweeper, World } from "./world.ts";

export const AT_REST: Sweeper = { rings: false, job: 0, ring: 0, fresh: false, letter: 0, ownMessageId: false };

export function sweeperSteps(context: Context, steps: JobSteps): void {
  const { world } = context;
  if (world.sweeper.rings) {
    finishSteps(context, steps);
    return;
  }
  world.rows.forEach((row, job) => {
    const current = jobOf(row);
    if (row.state === "queued") queuedSteps(context, steps, job);
    if (row.state === "running" && current !== undefined) runningSteps(context, steps, job, current);
  });
  for (const message of world.messages) if (message.dead) letterSteps(context, steps, message);
}

/** The second half: sends the bell, then removes the dead letter that caused it. */
function finishSteps(context: Context, steps: JobSteps): void {
  const { job, ring, letter, ownMessageId } = context.world.sweeper;
  const { interruptions } = context.world.rows[job]!;
  const bell = { job, ring, interruptions, ownMessageId };
  sendSteps(steps, context, "the sweeper", { ...bell, fresh: false }, (next, forgotten) => {
    send(next, { ...bell, fresh: next.world.sweeper.fresh }, forgotten);
    if (letter !== 0) remove(next.world, letter);
    next.world.sweeper = { ...AT_REST };
  });
  steps.fault("lost send", `the sweeper dies before it sends bell ${ring}`, ({ world }) => {
    world.sweeper = { ...AT_REST };
  });
}

function ringLater(world: World, job: number, ownMessageId: boolean, letter = 0): void {
  const { ring, state } = world.rows[job]!;
  world.sweeper = { rings: true, job, ring, fresh: state === "queued", letter, ownMessageId };
}

/** The job will be checked, now or when a lock ends. An old dead letter does not count. */
function isAttendedTo(world: World, job: number, row: Row): boolean {
  return (
    world.messages.some((message) => message.job === job && !(message.dead && message.ring < row.ring)) ||
    world.owed.some((owed) => owed.job === job) ||
    world.workers.some((worker) => worker.phase !== "idle" && worker.job === job)
  );
}

function queuedSteps({ world, protocol }: Context, steps: JobSteps, job: number): void {
  const ring = ({ world: next }: Context): void => ringLater(next, job, protocol.procedure.sweeperOwnMessageId);
  if (isAttendedTo(world, job, world.rows[job]!)) {
    steps.fault("needless sweep", "the sweeper sees no bell of the queued row, though there is one", ring);
  } else {
    steps.take("the sweeper sees no bell of the queued row", ring);
  }
}

function runningSteps(context: Context, steps: JobSteps, job: number, current: Job): void {
  const { world, protocol, bounds } = context;
  const row = world.rows[job]!;
  const handBack = (next: Context): void => {
    if (protocol.procedure.sweeperWritesFirst) {
      const { to, changes } = protocol.decisions.handbackOf(current, NOW);
      writeRow(next, job, "sweep", { to, changes });
      if (to === "queued") ringLater(next.world, job, false);
    } else {
      ringLater(next.world, job, protocol.procedure.sweeperOwnMessageId);
    }
  };
  if (!protocol.procedure.sweeperWritesFirst && isAttendedTo(world, job, row)) return;
  const isHeld = world.workers.some(
    (worker) => worker.phase !== "idle" && worker.job === job && worker.claim === row.claim,
  );
  if (claimIsDead(context, row, isHeld)) steps.take("the sweeper hands the row of a dead worker back", handBack);
  else if (!bounds.watchdog) steps.fault("needless sweep", "the sweeper hands the row of a live worker back", handBack);
}

const LOCK = { lockMs: 60_000, marginMs: 10_000 };
const LONG_AGO_MS = LOCK.lockMs;

/** A live worker's heartbeat lists the claim. A restarted worker has another boot id or lists others. */
function claimIsDead({ protocol }: Context, row: Row, isHeld: boolean): boolean {
  const heartbeatAt = new Date(NOW.getTime() + LONG_AGO_MS);
  return protocol.decisions.isClaimDead(
    claimOf(row.claim, row.seq),
    { bootId: "boot", heartbeatAt, state: "running", claims: isHeld ? [String(row.claim)] : [] },
    heartbeatAt.getTime(),
    LOCK,
  );
}

function letterSteps({ world, protocol }: Context, steps: JobSteps, letter: Message): void {
  const { seq, job } = letter;
  const row = world.rows[job]!;
  const current = jobOf(row);
  const name = `the dead letter of ring ${letter.ring}`;
  const decision = protocol.decisions.decideDeadLetter(current, letter);
  switch (decision.action) {
    case "keep":
    case "wait":
      return;
    case "remove":
      steps.take(`the sweeper removes ${name}`, ({ world: next }) => remove(next, seq));
      return;
    case "ring-then-remove":
      steps.take(`the sweeper finds ${name}; the row waits for ring ${row.ring}`, ({ world: next }) =>
        ringLater(next, job, false, seq),
      );
      return;
    case "hand-back-then-remove":
      steps.take(`the sweeper hands the row back for ${name}`, (next) => {
        const { to, changes } = protocol.decisions.handbackOf(current!, NOW);
        writeRow(next, job, "letter", { to, changes });
        if (to === "queued") ringLater(next.world, job, false, seq);
        // Failed: the letter has the ring of an older bell, and stays as the record.
      });
      return;
    case "fail":
      steps.take(`the sweeper records ${name} as failure`, (next) => {
        writeRow(next, job, row.state === "running" ? "sweep" : "letter", { to: "failed", changes: {} });
      });
      return;
  }
}
