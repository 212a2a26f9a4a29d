/** Azure's facts about the machine that a worker runs on. */

export interface ScheduledEvent {
  readonly eventId: string;
  readonly type: string;
  /** "Scheduled" until it begins, then "Started". */
  readonly status: string;
  readonly resources: readonly string[];
  /** Milliseconds since the epoch; undefined: at any moment. */
  readonly notBefore: number | undefined;
}

export interface EventsDocument {
  /** Changes with the list. */
  readonly incarnation: number;
  readonly events: readonly ScheduledEvent[];
}

/** What a request to change protection came to. */
export type ChangeAnswer =
  | { readonly kind: "done" }
  /** The instance no longer exists. */
  | { readonly kind: "gone" }
  | {
      readonly kind: "failed";
      readonly why: "conflict" | "throttled" | "denied" | "unanswered";
      readonly retryAfterMs: number | undefined;
    };
