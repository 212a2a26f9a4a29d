/** Sends commands to the API, repeats them until there is an answer, and records the answers with their times. */
import { setTimeout as pause } from "node:timers/promises";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { JobState } from "../../../runtime/core/job/states.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { type Answer, type ChaosClient, expected } from "./client.ts";
import type { Aim, Command, JobAnswer, Intent } from "./commands.ts";

export interface CommanderDeps {
  readonly client: Pick<ChaosClient, "command">;
  readonly store: Pick<JobStore, "list">;
  readonly random: SeededRandom;
  /** Batches with jobs in them. */
  readonly batches: () => readonly Batch[];
}

export interface Commander {
  readonly commands: readonly Command[];
  /** Commands under way. */
  readonly pending: number;
  /** Finds a suitable job or batch, and repeats the command until it is answered. */
  fulfil(intent: Intent): void;
  cancelBatch(batchId: string): Promise<void>;
  /** Resolves when all commands are answered. Rejects if one was not. */
  done(): Promise<void>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Takes one from a page of candidates. */
const CANDIDATES = 50;
const MANY = 20;
const CANDIDATES_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 250;
const CONFLICT = 409;

export function createCommander({ client, store, random, batches }: CommanderDeps): Commander {
  const commands: Command[] = [];
  const pending = new Set<Promise<void>>();
  const failures: unknown[] = [];

  async function issue(
    command: Pick<Command, "kind" | "jobIds" | "batchId" | "runAt">,
    path: string,
    body: unknown,
    read: (answer: Answer) => ReadonlyMap<string, JobAnswer>,
  ): Promise<void> {
    const triedAt: number[] = [];
    const noted: Mutable<Command> = { ...command, triedAt, answeredAt: undefined, answers: new Map() };
    commands.push(noted);
    const answer = await client.command(path, body, () => triedAt.push(Date.now()));
    noted.answeredAt = Date.now();
    noted.answers = read(expected(answer, CONFLICT));
  }

  const cancelBatch = (batchId: string): Promise<void> =>
    issue({ kind: "cancel", jobIds: [], batchId }, `/batches/${batchId}/cancel`, {}, () => new Map());

  async function carryOut(intent: Intent): Promise<void> {
    const candidates = await awaitCandidates(intent);
    if (candidates.length === 0) return;
    const { jobId, batchId } = random.pick(candidates);
    switch (intent.kind) {
      case "cancel":
        return issue({ kind: "cancel", jobIds: [jobId], batchId: undefined }, `/jobs/${jobId}/cancel`, {}, (answer) =>
          one(jobId, cancelAnswer(answer)),
        );
      case "requeue":
        return issue({ kind: "requeue", jobIds: [jobId], batchId: undefined }, `/jobs/${jobId}/requeue`, {}, (answer) =>
          one(jobId, answer.status === CONFLICT ? "not-ended" : "requeued"),
        );
      case "reschedule": {
        const runAt = Date.now() + intent.inMs;
        const body = { runAt: new Date(runAt).toISOString() };
        return issue(
          { kind: "reschedule", jobIds: [jobId], batchId: undefined, runAt },
          `/jobs/${jobId}/reschedule`,
          body,
          (answer) => one(jobId, answer.status === CONFLICT ? "not-queued" : "rescheduled"),
        );
      }
      case "requeue-many": {
        const jobIds = candidates.slice(0, MANY).map((job) => job.jobId);
        return issue({ kind: "requeue", jobIds, batchId: undefined }, "/jobs/requeue", { jobIds }, requeueAnswers);
      }
      case "requeue-batch":
        return issue(
          { kind: "requeue", jobIds: [], batchId },
          `/batches/${batchId}/requeue`,
          { state: intent.aim },
          () => new Map(),
        );
    }
  }

  /** Undefined if there was no candidate for a while, as at the end of a run. */
  async function awaitCandidates(intent: Intent): Promise<readonly Job[]> {
    const until = performance.now() + CANDIDATES_WITHIN_MS;
    for (;;) {
      for (const aim of aimsOf(intent)) {
        const candidates = await candidatesFor(aim);
        if (candidates.length > 0) return candidates;
      }
      if (performance.now() > until) return [];
      await pause(LOOK_EVERY_MS);
    }
  }

  /** From a random batch, or from any other if that one has no candidate. */
  async function candidatesFor(aim: Aim): Promise<readonly Job[]> {
    const all = batches();
    const first = Math.floor(random.next() * all.length);
    for (const batch of [...all.slice(first), ...all.slice(0, first)]) {
      const { items } = await store.list(batch, { pageSize: CANDIDATES, state: stateOf(aim) });
      const fitting = aim === "delayed" ? items.filter(({ runAt }) => runAt !== undefined) : items;
      if (fitting.length > 0) return fitting;
    }
    return [];
  }

  return {
    commands,
    get pending() {
      return pending.size;
    },
    fulfil(intent) {
      const under = carryOut(intent)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => pending.delete(under));
      pending.add(under);
    },
    cancelBatch,
    async done() {
      await Promise.all(pending);
      if (failures.length > 0) throw new AggregateError(failures, "Commands got a wrong answer or none.");
    },
  };
}

/** The best first, then acceptable ones. */
function aimsOf(intent: Intent): readonly Aim[] {
  switch (intent.kind) {
    case "cancel":
      return [intent.aim, "running", "queued"];
    case "requeue":
      return [intent.aim, "failed", "canceled", "succeeded"];
    case "requeue-many":
      return ["failed", "canceled", "succeeded"];
    case "requeue-batch":
    case "reschedule":
      return [intent.aim];
  }
}

const stateOf = (aim: Aim): JobState => (aim === "delayed" ? "queued" : aim);

const one = (jobId: string, answer: JobAnswer): ReadonlyMap<string, JobAnswer> => new Map([[jobId, answer]]);

const cancelAnswer = ({ status }: Answer): JobAnswer =>
  status === CONFLICT ? "too-late" : status === 202 ? "requested" : "canceled";

interface RequeueItem {
  readonly jobId: string;
  readonly state?: JobState;
}

const requeueAnswers = ({ body }: Answer): ReadonlyMap<string, JobAnswer> => {
  const { results } = body as { results: readonly RequeueItem[] };
  return new Map(results.map(({ jobId, state }) => [jobId, state === undefined ? "not-ended" : "requeued"]));
};
