/** The job model: one or more jobs, workers, the API, the broker and the sweeper, in all their interleavings. */
import { MAX_INTERRUPTIONS } from "../../../runtime/core/limits.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import { type Model, must } from "../search.ts";
import { apiSteps } from "./api.ts";
import { brokerSteps, networkSteps } from "./broker.ts";
import { makeCanonical } from "./canonical.ts";
import type { Bounds, Context } from "./context.ts";
import { copyWorld, packWorld, unpackWorld } from "./packed-world.ts";
import { PROTOCOL, type Protocol } from "./protocol.ts";
import { INTERRUPTION_CAP, MAX_ATTEMPTS } from "./rows.ts";
import { AT_REST, sweeperSteps } from "./sweeper.ts";
import { workerSteps } from "./worker.ts";
import { IDLE } from "./worker-turn.ts";
import { type Budget, FAULTS, INTERRUPTING, type Row, runsUserCode, type World } from "./world.ts";

const BOUNDS: Bounds = {
  jobs: 1,
  workers: 2,
  faults: {},
  faultsInAll: 40,
  maxDeliveries: 9,
  sweeper: true,
  watchdog: false,
  results: ["succeeded", "failed"],
  namedWorkers: false,
};

const NEW_ROW: Row = {
  state: "absent",
  ring: 0,
  attempts: 0,
  interruptions: 0,
  claim: 0,
  seq: 0,
  cancelWanted: false,
  delayed: false,
  mayStart: false,
};

export function jobModel(given: Partial<Bounds>, protocol: Protocol = PROTOCOL): Model<World> {
  const bounds = { ...BOUNDS, ...given };
  const canonical = {
    namedWorkers: bounds.namedWorkers,
    renameClaims: protocol.procedure.claimId !== "worker name",
  };
  const inContext = (world: World): Context => ({ world, protocol, bounds });
  return {
    initial: () => ({
      rows: Array.from({ length: bounds.jobs }, () => ({ ...NEW_ROW })),
      workers: Array.from({ length: bounds.workers }, () => ({ ...IDLE })),
      messages: [],
      owed: [],
      late: [],
      sweeper: { ...AT_REST },
      sent: Array.from({ length: bounds.jobs }, () => ({ rings: 0 })),
      budget: Object.fromEntries(FAULTS.map((fault) => [fault, bounds.faults[fault] ?? 0])) as Budget,
      totals: { faultsLeft: bounds.faultsInAll, causes: 0 },
    }),
    copy: copyWorld,
    pack(world) {
      makeCanonical(world, canonical);
      return packWorld(world);
    },
    unpack: unpackWorld,
    steps(world, emit) {
      const context = inContext(world);
      const steps: Parameters<typeof apiSteps>[1] = {
        take: (label, change) => emit.take(label, (next) => change(inContext(next))),
        fault(fault, label, change) {
          if (world.budget[fault] === 0 || world.totals.faultsLeft === 0) return;
          emit.fault(label, (next) => {
            next.budget[fault] -= 1;
            next.totals.faultsLeft -= 1;
            if (INTERRUPTING.includes(fault)) next.totals.causes += 1;
            change(inContext(next));
          });
        },
      };
      apiSteps(context, steps);
      networkSteps(context, steps);
      brokerSteps(context, steps);
      for (const index of world.workers.keys()) workerSteps(context, steps, index);
      if (bounds.sweeper) sweeperSteps(context, steps);
    },
    check: (world) => check(inContext(world)),
    isDone: (world) => isDone(inContext(world)),
    describe: (world) => world.rows.map(describeRow).join("; "),
  };
}

function check({ world, bounds }: Context): void {
  const interruptions = world.rows.reduce((sum, row) => sum + row.interruptions, 0);
  must(
    interruptions <= world.totals.causes,
    `I9: ${interruptions} interruptions are recorded, ${world.totals.causes} happened`,
  );
  world.rows.forEach((row, job) => {
    must(row.attempts <= MAX_ATTEMPTS, "I9: more failures than attempts");
    must(row.interruptions <= INTERRUPTION_CAP + 1, `I9: more than ${MAX_INTERRUPTIONS + 1} interruptions`);
    const running = world.workers.filter((worker) => runsUserCode(worker) && worker.job === job).length;
    if (bounds.watchdog) must(running <= 1, "overlap: two copies of the user's code run at once");
  });
}

/** All jobs have ended, nothing is pending, and the dead-letter queue has only the records of failures. */
const isDone = ({ world, bounds }: Context): boolean =>
  world.rows.every(({ state }) => state !== "absent" && isTerminal(state)) &&
  world.owed.length === 0 &&
  world.late.length === 0 &&
  !world.sweeper.rings &&
  world.workers.every(({ phase }) => phase === "idle") &&
  // Only the sweeper removes dead letters of jobs that were requeued.
  world.messages.every(({ dead, job }) => dead && (!bounds.sweeper || world.rows[job]!.state === "failed"));

function describeRow(row: Row): string {
  if (row.state === "absent") return "no row";
  const { state, ring, attempts, interruptions, claim, seq, cancelWanted } = row;
  const claimed = claim === 0 ? "" : `, claim ${claim} by message ${seq}`;
  return `${state}, ring ${ring}, ${attempts} failures, ${interruptions} interruptions${claimed}${cancelWanted ? ", cancel wanted" : ""}`;
}
