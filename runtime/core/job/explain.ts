/**
 * Why a job is in its state, and what can change that: each possible next event with what the decision functions of the
 * protocol answer to it. Nothing here decides: it asks the functions that workers and API use. Rules and steps are those of
 * docs/protocol.md.
 */
import { cancelOf, requeueOf } from "./cancel-requeue.ts";
import type { Job } from "./job.ts";
import { decideDelivery, endingOf, type AttemptResult, type DeliveryDecision, type Ending } from "./protocol.ts";

/** The facts of a job that an explanation needs. Rows and the API's views have them. */
export interface ExplainedJob {
  readonly state: Job["state"];
  readonly attempts: number;
  readonly interruptions: number;
  readonly cancelWanted: boolean;
  /** Milliseconds since the epoch. */
  readonly runAt: number | undefined;
  readonly workerId: string | undefined;
  /** Of a queued job: what holds it, as the API's views say. */
  readonly waitsFor: string | undefined;
  readonly failure: { readonly code: string; readonly attempt: number; readonly retryable: boolean } | undefined;
}

export interface Explanation {
  /** Sentences for people. */
  readonly why: string;
  /** The rule or step that led here. */
  readonly rule: string;
  /** What can happen next, the likeliest first. */
  readonly next: readonly NextEvent[];
}

export interface NextEvent {
  readonly event: string;
  /** What becomes of the job. */
  readonly outcome: string;
  readonly rule: string;
}

export function explain(job: ExplainedJob, now: number): Explanation {
  switch (job.state) {
    case "queued":
      return { ...whyQueued(job, now), next: afterQueued(job) };
    case "running":
      return { ...whyRunning(job), next: afterRunning(job) };
    case "succeeded":
      return {
        why: "Its process ended well. A success stays one, also when a cancel was wanted.",
        rule: "step 5",
        next: afterEnd(job),
      };
    case "canceled":
      return {
        why: "It was canceled before it could end by itself.",
        rule: job.workerId === undefined ? "step 8" : "R8",
        next: afterEnd(job),
      };
    case "failed":
      return { why: whyFailed(job), rule: "step 5", next: afterEnd(job) };
  }
}

// --- Why it is here --------------------------------------------------------------------------------------------------

function whyQueued(
  { attempts, interruptions, runAt, waitsFor }: ExplainedJob,
  now: number,
): Pick<Explanation, "why" | "rule"> {
  if (waitsFor !== undefined) {
    const rule = waitsFor.startsWith("paused") ? "R30" : waitsFor.startsWith("limit: rate") ? "R29" : "R21";
    return { why: `It holds no slot and no message until it may start: ${waitsFor}.`, rule };
  }
  const isEarly = runAt !== undefined && runAt > now;
  const wait = isEarly
    ? "Its bell is delivered when its time comes"
    : "It waits for a free slot of a worker in its pool";
  if (attempts > 0)
    return { why: `Attempt ${attempts} failed, and its policy allows another one. ${wait}.`, rule: "step 6" };
  if (interruptions > 0)
    return { why: `Its last start was ended by the system, at no cost to the job. ${wait}.`, rule: "step 7" };
  return { why: `It was accepted and has not started. ${wait}.`, rule: "step 1" };
}

function whyRunning({ workerId, cancelWanted }: ExplainedJob): Pick<Explanation, "why" | "rule"> {
  const worker = workerId === undefined ? "Its worker" : `The worker ${workerId}`;
  if (cancelWanted) return { why: `A cancel is wanted. ${worker} is ending its process.`, rule: "step 8'" };
  return { why: `${worker} has claimed it and runs its process. Nobody else may write about it.`, rule: "step 2" };
}

function whyFailed({ failure, interruptions }: ExplainedJob): string {
  if (failure === undefined) return "It failed.";
  const { code, attempt, retryable } = failure;
  switch (code) {
    case "WorkerLost":
      return `Its workers died, or gave it back, ${interruptions} times. The job itself may be what kills them.`;
    case "JobExpired":
      return "Its time to live was over before a worker could start it.";
    default:
      return retryable
        ? `Attempt ${attempt} failed with ${code}, and its policy allows no further one.`
        : `Attempt ${attempt} failed with ${code}. Another attempt cannot help, so none is made.`;
  }
}

// --- What can happen next --------------------------------------------------------------------------------------------

/** Any ring: only whether rings are equal counts. */
const RING = 1;
/** The message that the claim was made with, and another one. */
const OWN = { queue: "own", sequenceNumber: "1" } as const;

function bellOf(job: ExplainedJob): DeliveryDecision {
  const claim = { ...OWN, id: "claim", workerId: job.workerId ?? "", bootId: "", since: new Date(0) };
  return decideDelivery(
    { ...job, ring: RING, claim: job.state === "running" ? claim : undefined },
    { bell: { ring: RING }, ...OWN },
    undefined,
  );
}

const afterQueued = (job: ExplainedJob): readonly NextEvent[] => [
  { event: "Its bell reaches a worker with a free slot", outcome: outcomeOfBell(bellOf(job)), rule: "R5" },
  { event: "Its bell is lost", outcome: "stays queued; the sweeper sends another bell", rule: "step 10" },
  cancelEvent(job),
];

function afterRunning(job: ExplainedJob): readonly NextEvent[] {
  const { cancelWanted, attempts, interruptions } = job;
  const ended = (result: AttemptResult, maxAttempts: number): string =>
    outcomeOfEnding(endingOf({ result, cancelWanted, attempts, interruptions, maxAttempts }));
  const failed = { kind: "failed", retryable: true } as const;
  const [again, last] = [ended(failed, Infinity), ended(failed, 0)];
  return [
    { event: "Its process ends well", outcome: ended({ kind: "succeeded" }, 0), rule: "step 5" },
    {
      event: "Its process fails",
      outcome: again === last ? last : `${again}, while its policy allows another attempt; else ${last}`,
      rule: "step 6",
    },
    { event: "Its worker is drained", outcome: ended({ kind: "interrupted" }, 0), rule: "step 7" },
    { event: "Its worker dies, and the lock of its message ends", outcome: outcomeOfBell(bellOf(job)), rule: "R2" },
    cancelEvent(job),
  ];
}

const afterEnd = (job: ExplainedJob): readonly NextEvent[] => [
  {
    event: "It is requeued",
    outcome: requeueOf({ state: job.state, ring: RING })?.to ?? job.state,
    rule: "step 9",
  },
  { event: "A bell of it arrives", outcome: outcomeOfBell(bellOf(job)), rule: "R7" },
  cancelEvent(job),
];

function cancelEvent(job: ExplainedJob): NextEvent {
  const decision = cancelOf(job, new Date(0));
  const event = "It is canceled";
  switch (decision.action) {
    case "end":
      return { event, outcome: decision.to, rule: "step 8" };
    case "ask":
      return { event, outcome: "its worker is asked to end it", rule: "step 8'" };
    case "none":
      return { event, outcome: "nothing more: that is wanted or done already", rule: "R8" };
    case "too-late":
      return { event, outcome: `refused: it stays ${job.state}`, rule: "R8" };
  }
}

function outcomeOfBell(decision: DeliveryDecision): string {
  switch (decision.action) {
    case "claim":
      return "running: the worker claims it";
    case "take-over":
      return decision.as === "worker-lost"
        ? "failed: too many starts were ended"
        : `${decision.as}: another worker takes it over`;
    case "settle-ended":
      return "stays as it is: the bell is settled";
    case "adopt":
    case "ring-again":
    case "complete-surplus":
    case "set-aside":
      return "stays as it is";
  }
}

function outcomeOfEnding(ending: Ending): string {
  if (ending.to !== "queued") return ending.to;
  return ending.counts === "attempts" ? "queued for another attempt" : "queued again, at no cost to the job";
}
