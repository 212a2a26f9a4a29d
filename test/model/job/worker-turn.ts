/**
 * One worker's turn: its steps refer to the worker and its row in their next state. Shared by claiming and ending: how
 * a decision that starts nothing continues, and late writes.
 */
import type { Context, JobSteps } from "./context.ts";
import type { LateWrite, Phase, Row, Worker } from "./world.ts";

export const IDLE: Worker = {
  phase: "idle",
  job: 0,
  seq: 0,
  ring: 0,
  locked: false,
  fresh: false,
  claim: 0,
  result: "none",
  cancel: false,
  interruptions: 0,
  toSend: 0,
  delayed: false,
};

/** The steps of one worker, with the worker and its row in the state after the step. */
export interface Turn {
  readonly context: Context;
  readonly worker: Worker;
  readonly row: Row;
}

export interface OwnSteps {
  readonly name: string;
  take(label: string, change: (turn: Turn) => void): void;
  fault(fault: Parameters<JobSteps["fault"]>[0], label: string, change: (turn: Turn) => void): void;
}

export const stop = (worker: Worker): void => void Object.assign(worker, IDLE);
export const rowText = ({ state, ring }: Row): string => `${state} at ring ${ring}`;

export const lateWrite = (kind: LateWrite["kind"], worker: Worker): LateWrite => {
  const { job, ring, claim, seq, result, cancel, interruptions } = worker;
  return { kind, job, ring, fresh: true, claim, seq, result, cancel, interruptions };
};

type Settling = Exclude<
  ReturnType<Context["protocol"]["decisions"]["decideDelivery"]>,
  { readonly action: "adopt" | "claim" | "take-over" }
>;

/** Decisions that start nothing. */
export function settleAfter(turn: Turn, decision: Settling): void {
  switch (decision.action) {
    case "set-aside":
      go(turn, "dead-letter");
      return;
    case "settle-ended":
      go(turn, decision.asDeadLetter ? "dead-letter" : "complete");
      return;
    case "complete-surplus":
      go(turn, "complete");
      return;
    case "abandon":
      go(turn, "abandon");
      return;
    case "ring-again":
      readyToRing(turn);
      return;
  }
}

export const go = ({ worker }: Turn, phase: Phase): void => void (worker.phase = phase);

/** It will send the bell of the row in its current state. */
export function readyToRing({ worker, row }: Turn): void {
  Object.assign(worker, { phase: "ring", fresh: true, toSend: row.ring, interruptions: row.interruptions });
  worker.delayed = row.delayed;
}
