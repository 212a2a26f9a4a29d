/**
 * Counter rows (R11): two writers change two jobs of one partition, each with its own counter row in the same
 * transaction. The sum of the counter rows must equal the jobs' states at every moment. The model follows
 * runtime/azure/tables/writer-counter.ts, which has no pure function to call.
 */
import { type Model, must, type Steps } from "../search.ts";
import { jsonStates } from "../small-state.ts";

/** Jobs go through three states. A counter row has a number for each. */
const STATES = ["queued", "running", "ended"] as const;
const LAST = STATES.length - 1;
const JOBS = 2;
const WRITERS = 2;

interface Writer {
  phase: "idle" | "write";
  job: number;
  /** Its ETags of the job's row and of its own counter row are still current. */
  jobFresh: boolean;
  counterFresh: boolean;
  /** Its copy of its counter row. */
  believed: number[];
}

interface Transaction {
  writer: number;
  job: number;
  jobFresh: boolean;
  counterFresh: boolean;
  counter: number[];
}

interface CountersState {
  /** By job: an index into STATES. */
  jobs: number[];
  /** By writer. The last is the API's, which has counted the inserts. */
  counters: number[][];
  writers: Writer[];
  late: Transaction[];
  budget: Record<CounterFault, number>;
}

export type CounterFault = "ambiguous write" | "crash";

export interface CounterRules {
  /** The counter row is written on its own ETag. */
  readonly conditional: boolean;
  /** After a transaction with unknown outcome, the counter row is read. */
  readonly rereads: boolean;
}

export function counterModel(
  faults: Partial<Readonly<Record<CounterFault, number>>>,
  given: Partial<CounterRules> = {},
): Model<CountersState> {
  const rules: CounterRules = { conditional: true, rereads: true, ...given };
  return {
    ...jsonStates<CountersState>(),
    initial: () => ({
      jobs: Array.from({ length: JOBS }, () => 0),
      counters: [...Array.from({ length: WRITERS }, () => [0, 0, 0]), [JOBS, 0, 0]],
      writers: Array.from({ length: WRITERS }, () => ({
        ...{ phase: "idle" as const, job: 0, jobFresh: false, counterFresh: false },
        believed: [0, 0, 0],
      })),
      late: [],
      budget: { "ambiguous write": 0, crash: 0, ...faults },
    }),
    steps(state, steps) {
      state.late.forEach((transaction, index) => {
        const lands = fits(transaction, rules);
        steps.take(
          `the late transaction of writer ${transaction.writer + 1} ${lands ? "lands" : "is refused"}`,
          (next) => {
            next.late.splice(index, 1);
            if (lands) commit(next, transaction);
          },
        );
      });
      for (const index of state.writers.keys()) writerSteps(state, steps, index, rules);
    },
    check({ jobs, counters }) {
      STATES.forEach((name, index) => {
        const counted = counters.reduce((sum, counter) => sum + counter[index]!, 0);
        const actual = jobs.filter((job) => job === index).length;
        must(counted === actual, `I5: ${counted} jobs are counted as ${name}, ${actual} are`);
      });
    },
    isDone: ({ jobs, late }) => jobs.every((job) => job === LAST) && late.length === 0,
    describe: ({ jobs, counters }) =>
      `${jobs.map((job) => STATES[job]).join(", ")}; counters ${counters.map((counter) => counter.join("/")).join(" ")}`,
  };
}

const fits = ({ jobFresh, counterFresh }: Transaction, { conditional }: CounterRules): boolean =>
  jobFresh && (counterFresh || !conditional);

/** As storage applies it: both rows or none. All older ETags of both become stale. */
function commit(state: CountersState, { writer, job, counter }: Transaction): void {
  state.jobs[job]! += 1;
  state.counters[writer] = counter;
  state.writers[writer]!.counterFresh = false;
  for (const holder of [...state.writers, ...state.late]) if (holder.job === job) holder.jobFresh = false;
  for (const late of state.late) if (late.writer === writer) late.counterFresh = false;
}

function writerSteps(state: CountersState, steps: Steps<CountersState>, index: number, rules: CounterRules): void {
  const writer = state.writers[index]!;
  const name = `writer ${index + 1}`;
  const take = (label: string, change: (next: CountersState, same: Writer) => void): void =>
    steps.take(`${name} ${label}`, (next) => change(next, next.writers[index]!));
  const fault = (kind: CounterFault, label: string, change: (next: CountersState, same: Writer) => void): void => {
    if (state.budget[kind] === 0) return;
    steps.fault(`${name} ${label}`, (next) => {
      next.budget[kind] -= 1;
      change(next, next.writers[index]!);
    });
  };
  const pause = (same: Writer): void => void Object.assign(same, { phase: "idle", job: 0, jobFresh: false });

  if (writer.phase === "idle") {
    if (!writer.counterFresh && rules.rereads) {
      take("reads its counter", (next, same) => {
        same.believed = next.counters[index]!;
        same.counterFresh = true;
      });
      return;
    }
    state.jobs.forEach((job, at) => {
      if (job === LAST) return;
      take(
        `reads job ${at + 1}`,
        (_next, same) => void Object.assign(same, { phase: "write", job: at, jobFresh: true }),
      );
    });
    return;
  }
  fault("crash", "dies, and comes back under its name", (next, same) => {
    pause(same);
    same.counterFresh = false;
    same.believed = next.counters[index]!;
  });
  const { job, jobFresh, counterFresh } = writer;
  const counter = moved(writer.believed, state.jobs[job]!);
  const transaction: Transaction = { writer: index, job, jobFresh, counterFresh, counter };
  if (!fits(transaction, rules)) {
    take("writes: refused", (next, same) => {
      pause(same);
      same.counterFresh = !rules.rereads;
      if (!rules.rereads) same.believed = next.counters[index]!;
    });
    return;
  }
  take(`moves job ${job + 1} on`, (next, same) => {
    commit(next, transaction);
    pause(same);
    Object.assign(same, { counterFresh: true, believed: counter });
  });
  const unanswered = (same: Writer): void => {
    pause(same);
    same.counterFresh = false;
  };
  fault("ambiguous write", `moves job ${job + 1} on; the answer is lost`, (next, same) => {
    commit(next, transaction);
    unanswered(same);
  });
  fault("ambiguous write", `moves job ${job + 1} on; no answer, it may still arrive`, (next, same) => {
    next.late.push({ ...transaction, counterFresh: true });
    unanswered(same);
  });
}

const moved = (counter: readonly number[], from: number): number[] =>
  counter.map((jobs, index) => jobs + (index === from + 1 ? 1 : index === from ? -1 : 0));
