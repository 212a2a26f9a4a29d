/** The state of a job as a mark, a word and a colour; that of a batch as a word. */
import type { JSX } from "react";
import type { BatchView, JobView } from "../../runtime/client/index.ts";

/** The states that people see. A queued job that waits for its time is `delayed`; `poison` is a message no worker can read. */
export type ShownState = JobView["state"] | "delayed" | "poison";

const MARKS: Readonly<Record<ShownState, JSX.Element>> = {
  queued: <circle cx="8" cy="8" r="5.5" />,
  delayed: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 5v3l2 1.2" />
    </>
  ),
  running: (
    <>
      <path d="M8 2.5a5.5 5.5 0 1 1-5.5 5.5" />
      <circle cx="8" cy="8" r="1" fill="currentColor" />
    </>
  ),
  succeeded: (
    <>
      <circle cx="8" cy="8" r="6" fill="currentColor" stroke="none" />
      <path d="m5.5 8.2 1.8 1.8 3.4-3.8" stroke="var(--surface)" />
    </>
  ),
  failed: (
    <>
      <circle cx="8" cy="8" r="6" fill="currentColor" stroke="none" />
      <path d="m6 6 4 4m0-4-4 4" stroke="var(--surface)" />
    </>
  ),
  canceled: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="m4.2 11.8 7.6-7.6" />
    </>
  ),
  poison: <path d="M6 2h4M7 2v4l-4 7a1 1 0 0 0 1 1.5h8a1 1 0 0 0 1-1.5L9 6V2" />,
};

export interface StateMarkProps {
  readonly state: ShownState;
  /** Default: the state's name. */
  readonly word?: string;
  /** Only the mark is seen; the word is for screen readers. */
  readonly markOnly?: boolean;
}

export const StateMark = ({ state, word = state, markOnly = false }: StateMarkProps) => (
  <span className="state" data-s={state} title={markOnly ? word : undefined}>
    <svg
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {MARKS[state]}
    </svg>
    <span className={markOnly ? "hidden" : undefined}>{word}</span>
  </span>
);

/** What people see of a job: one that waits for its time is not simply queued. */
export function shownState({ state, runAt }: Pick<JobView, "state" | "runAt">, now: number): ShownState {
  return state === "queued" && runAt !== undefined && Date.parse(runAt) > now ? "delayed" : state;
}

export function BatchState({ batch: { state, completedAt } }: { readonly batch: BatchView }) {
  // A canceled batch completes as well, when its last job has ended.
  return <span className="muted">{state === "closed" && completedAt !== undefined ? "complete" : state}</span>;
}
