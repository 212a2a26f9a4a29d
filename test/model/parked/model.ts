/**
 * Jobs that wait without a bell (R30 to R33): submits that park or ring, workers that put bells off while the jobs are
 * paused, and the refill that rings for what is noted. There is no sweeper here: without lost messages nothing of this
 * needs one. Versions of the note are compared only for equality, so the refill's bit means that it is still as it was read.
 */
import { type Model, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";

const JOBS = 2;

interface Worker {
  phase: "idle" | "look" | "note" | "complete" | "note afterwards" | "run";
  job: number;
  seq: number;
}

interface Bell {
  job: number;
  seq: number;
  locked: boolean;
}

interface Refill {
  phase: "idle" | "pass" | "ring" | "rest";
  /** The row to read next, or to ring for. */
  job: number;
  rang: boolean;
  holdsPaused: boolean;
  /** It has passed over a row with a bell, which a worker may be about to put off. */
  holdsBells: boolean;
  /** A bell has gone since the pass began. */
  bellsMoved: boolean;
  noteFresh: boolean;
}

interface ParkedState {
  rows: ("absent" | "queued" | "running" | "ended")[];
  /** By job: the message of its claim. */
  claims: number[];
  /** By job: what its submit does next. */
  submits: ("start" | "insert" | "ring or park" | "done")[];
  /** By job: the broker knows its usual MessageId. */
  known: boolean[];
  bells: Bell[];
  nextSeq: number;
  noted: boolean;
  paused: boolean;
  workers: Worker[];
  refill: Refill;
  budget: Record<ParkedFault, number>;
}

export type ParkedFault = "worker crash" | "refill crash" | "pause" | "no room";

export interface ParkedRules {
  /** R30. */
  readonly readsRow: boolean;
  /** R30. */
  readonly notesBeforeCompleting: boolean;
  /** R31. */
  readonly rowBeforeNote: boolean;
  /** R32. */
  readonly removesOnVersion: boolean;
  /** R32. */
  readonly keepsNoteOfPaused: boolean;
  /** R32. */
  readonly keepsNoteOfBells: boolean;
  /** R33. */
  readonly freshMessageId: boolean;
}

const RULES: ParkedRules = {
  readsRow: true,
  notesBeforeCompleting: true,
  rowBeforeNote: true,
  removesOnVersion: true,
  keepsNoteOfPaused: true,
  keepsNoteOfBells: true,
  freshMessageId: true,
};

const AT_REST: Refill = {
  phase: "idle",
  job: 0,
  rang: false,
  holdsPaused: false,
  holdsBells: false,
  bellsMoved: false,
  noteFresh: false,
};

export function parkedModel(
  faults: Partial<Readonly<Record<ParkedFault, number>>>,
  given: Partial<ParkedRules> = {},
): Model<ParkedState> {
  const rules = { ...RULES, ...given };
  return {
    ...jsonStates<ParkedState>(),
    pack: (state) => JSON.stringify(canonical(state)),
    initial: () => ({
      rows: Array.from({ length: JOBS }, () => "absent" as const),
      claims: Array.from({ length: JOBS }, () => 0),
      submits: Array.from({ length: JOBS }, () => "start" as const),
      known: Array.from({ length: JOBS }, () => false),
      bells: [],
      nextSeq: 1,
      noted: false,
      paused: false,
      workers: [{ phase: "idle", job: 0, seq: 0 }],
      refill: { ...AT_REST },
      budget: { "worker crash": 0, "refill crash": 0, pause: 0, "no room": 0, ...faults },
    }),
    steps(state, steps) {
      const fault = (kind: ParkedFault, label: string, change: (next: ParkedState) => void): void => {
        if (state.budget[kind] === 0) return;
        steps.fault(label, (next) => {
          next.budget[kind] -= 1;
          change(next);
        });
      };
      if (state.paused) steps.take("the jobs are resumed", (next) => setPaused(next, false));
      else fault("pause", "the jobs are paused", (next) => setPaused(next, true));
      for (let job = 0; job < JOBS; job++) submitSteps(state, steps, fault, job, rules);
      for (const index of state.workers.keys()) workerSteps(state, steps, fault, index, rules);
      refillSteps(state, steps, fault, rules);
    },
    check: () => undefined,
    isDone: ({ rows, bells, workers, noted, paused, refill }) =>
      rows.every((row) => row === "ended") &&
      bells.length === 0 &&
      workers.every(({ phase }) => phase === "idle") &&
      !noted &&
      !paused &&
      refill.phase === "idle",
    describe: ({ rows, bells, noted, paused }) =>
      `${rows.join(", ")}; bells of ${bells.map(({ job }) => job + 1).join(", ") || "none"}${noted ? "; noted" : ""}${paused ? "; paused" : ""}`,
  };
}

type FaultSteps = (kind: ParkedFault, label: string, change: (next: ParkedState) => void) => void;

/** After a change of pauses the refill begins anew: what it has passed over may be rung for. */
function setPaused(state: ParkedState, paused: boolean): void {
  state.paused = paused;
  state.refill = { ...AT_REST };
}

/** Sequence numbers are compared only for equality, and only those of bells and of running rows matter. */
function canonical(state: ParkedState): ParkedState {
  const claims = state.claims.map((seq, job) => (state.rows[job] === "running" ? seq : 0));
  const used = [...new Set([...claims, ...state.bells.map(({ seq }) => seq), ...state.workers.map(({ seq }) => seq)])];
  const names = new Map(
    used
      .filter((seq) => seq > 0)
      .toSorted((a, b) => a - b)
      .map((seq, index) => [seq, index + 1]),
  );
  const renamed = (seq: number): number => names.get(seq) ?? 0;
  return {
    ...state,
    claims: claims.map(renamed),
    bells: state.bells.map((bell) => ({ ...bell, seq: renamed(bell.seq) })),
    workers: state.workers.map((worker) => ({ ...worker, seq: worker.phase === "idle" ? 0 : renamed(worker.seq) })),
    nextSeq: names.size + 1,
  };
}

/** A note that is there gets a new version. */
function note(state: ParkedState): void {
  state.noted = true;
  state.refill.noteFresh = false;
  if (state.refill.phase === "rest") state.refill = { ...AT_REST };
}

function send(state: ParkedState, job: number, usual: boolean): void {
  if (usual && state.known[job] === true) return;
  if (usual) state.known[job] = true;
  state.bells.push({ job, seq: state.nextSeq++, locked: false });
}

function submitSteps(
  state: ParkedState,
  steps: Steps<ParkedState>,
  fault: FaultSteps,
  job: number,
  { rowBeforeNote }: ParkedRules,
): void {
  const name = `job ${job + 1}`;
  const to = (next: ParkedState, phase: ParkedState["submits"][number]): void => void (next.submits[job] = phase);
  const insert = (next: ParkedState): void => void (next.rows[job] = "queued");
  switch (state.submits[job]) {
    case "start":
      steps.take(`${name} is written`, (next) => {
        insert(next);
        to(next, "ring or park");
      });
      if (rowBeforeNote) return;
      fault("no room", `${name}: its batch is noted`, (next) => {
        note(next);
        to(next, "insert");
      });
      return;
    case "insert":
      steps.take(`${name} is written`, (next) => {
        insert(next);
        to(next, "done");
      });
      return;
    case "ring or park": {
      const park = (next: ParkedState): void => {
        note(next);
        to(next, "done");
      };
      if (state.paused) {
        steps.take(`${name} is paused: its batch is noted`, park);
        return;
      }
      fault("no room", `${name} has no room: its batch is noted`, park);
      steps.take(`the bell of ${name} is sent`, (next) => {
        send(next, job, true);
        to(next, "done");
      });
      return;
    }
    case "done":
    case undefined:
  }
}

function workerSteps(
  state: ParkedState,
  steps: Steps<ParkedState>,
  fault: FaultSteps,
  index: number,
  rules: ParkedRules,
): void {
  const worker = state.workers[index]!;
  const { phase, job, seq } = worker;
  const go = (label: string, to: Worker["phase"], change: (next: ParkedState) => void = () => undefined): void =>
    steps.take(`the worker ${label}`, (next) => {
      change(next);
      next.workers[index]!.phase = to;
    });
  /** The refill looks again later: when a bell has gone. */
  const removeBell = (next: ParkedState): void => {
    next.bells = next.bells.filter((bell) => bell.seq !== seq);
    if (next.refill.phase === "rest") next.refill = { ...AT_REST };
    else if (next.refill.phase !== "idle") next.refill.bellsMoved = true;
  };
  if (phase === "idle") {
    for (const bell of state.bells) {
      if (bell.locked) continue;
      steps.take(`the worker receives the bell of job ${bell.job + 1}`, (next) => {
        next.bells.find((one) => one.seq === bell.seq)!.locked = true;
        Object.assign(next.workers[index]!, { phase: "look", job: bell.job, seq: bell.seq });
      });
    }
    return;
  }
  fault("worker crash", "the worker dies; its lock ends", (next) => {
    Object.assign(next.workers[index]!, { phase: "idle", job: 0, seq: 0 });
    for (const bell of next.bells) if (bell.seq === seq) bell.locked = false;
  });
  switch (phase) {
    case "look": {
      const row = state.rows[job];
      if (state.paused && (row === "queued" || !rules.readsRow)) {
        go(`finds that job ${job + 1} is paused`, rules.notesBeforeCompleting ? "note" : "complete");
        return;
      }
      const isMine = row === "running" && state.claims[job] === seq;
      if (row === "queued" || isMine) {
        go(`${isMine ? "takes over" : "claims"} job ${job + 1}`, "run", (next) => {
          next.rows[job] = "running";
          next.claims[job] = seq;
        });
      } else {
        go("finds nothing to start", "complete");
      }
      return;
    }
    case "note":
      go("notes the batch", "complete", note);
      return;
    case "complete": {
      const owesNote = !rules.notesBeforeCompleting && state.rows[job] === "queued";
      go("completes the bell", owesNote ? "note afterwards" : "idle", (next) => {
        removeBell(next);
        if (!owesNote) Object.assign(next.workers[index]!, { job: 0, seq: 0 });
      });
      return;
    }
    case "note afterwards":
      go("notes the batch", "idle", note);
      return;
    case "run":
      go(`ends job ${job + 1}`, "complete", (next) => void (next.rows[job] = "ended"));
  }
}

function refillSteps(
  state: ParkedState,
  steps: Steps<ParkedState>,
  fault: FaultSteps,
  { removesOnVersion, keepsNoteOfPaused, keepsNoteOfBells, freshMessageId }: ParkedRules,
): void {
  const { refill } = state;
  const go = (label: string, change: (next: ParkedState, same: Refill) => void): void =>
    steps.take(`the refill ${label}`, (next) => change(next, next.refill));
  if (refill.phase === "idle") {
    if (state.noted)
      go("begins a pass", (_, same) => Object.assign(same, { ...AT_REST, phase: "pass", noteFresh: true }));
    return;
  }
  if (refill.phase !== "rest") {
    fault("refill crash", "another process takes the refill over", (next) => void (next.refill = { ...AT_REST }));
  }
  if (refill.phase === "ring") {
    go(`rings for job ${refill.job + 1}`, (next, same) => {
      send(next, same.job, !freshMessageId);
      Object.assign(same, { phase: "pass", job: same.job + 1, rang: true });
    });
  }
  if (refill.phase !== "pass") return;
  if (refill.job < JOBS) {
    const hasBell = state.bells.some((bell) => bell.job === refill.job);
    const isQueued = state.rows[refill.job] === "queued";
    if (isQueued && state.paused) {
      go(`passes over job ${refill.job + 1}, which is paused`, (_, same) =>
        Object.assign(same, { job: same.job + 1, holdsPaused: true }),
      );
    } else if (isQueued && !hasBell) {
      go(`finds job ${refill.job + 1} without a bell`, (_, same) => Object.assign(same, { phase: "ring" }));
    } else {
      go(`passes over job ${refill.job + 1}`, (_, same) =>
        Object.assign(same, { job: same.job + 1, holdsBells: same.holdsBells || isQueued }),
      );
    }
    return;
  }
  const isOld = !refill.noteFresh && removesOnVersion;
  if (refill.rang || isOld || (refill.holdsBells && refill.bellsMoved && keepsNoteOfBells)) {
    go("ends the pass, and begins another", (next) => void (next.refill = { ...AT_REST }));
  } else if ((refill.holdsPaused && keepsNoteOfPaused) || (refill.holdsBells && keepsNoteOfBells)) {
    go("ends the pass, and rests", (_, same) => Object.assign(same, { ...AT_REST, phase: "rest" }));
  } else {
    go("ends the pass, and removes the note", (next) => {
      next.noted = false;
      next.refill = { ...AT_REST };
    });
  }
}
