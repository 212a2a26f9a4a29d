/** What a worker on a scale set asks of Azure about its own machine. */

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

/** The platform gave no usable answer. The caller tries again. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
}

export interface Instance {
  /** As scheduled events name it: `{scaleSet}_{number}`. */
  readonly name: string;
  /** `/subscriptions/…/virtualMachineScaleSets/{scaleSet}/virtualMachines/{number}` on a Uniform scale set. */
  readonly resourceId: string;
  readonly location: string;
  /** Empty on a machine of its own. */
  readonly scaleSetName: string;
}

/** Each call may throw PlatformError, or the signal's reason. */
export interface MachineMetadata {
  instance(signal: AbortSignal): Promise<Instance>;
  scheduledEvents(signal: AbortSignal): Promise<EventsDocument>;
  /** Tells the platform that it need not wait any longer. */
  approve(eventIds: readonly string[], signal: AbortSignal): Promise<void>;
}

export interface InstanceProtection {
  /** Never throws: a missing answer is an answer too. */
  change(protect: boolean, signal: AbortSignal): Promise<ChangeAnswer>;
}

export interface ScaleSetServices {
  readonly metadata: MachineMetadata;
  /** Undefined: the instance belongs to no Uniform scale set, so it cannot be protected from scale-in. */
  protectionOf(instance: Instance): InstanceProtection | undefined;
}
