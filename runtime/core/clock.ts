/** How every part gets its time. Only composition roots choose the clock. */

/** The clocks of a process. A part takes the members that it needs, so that tests can set the time. */
export interface Clock {
  /** The time of day. It can be wrong, and it can jump. */
  readonly now: () => Date;
  /** Milliseconds that never jump. They measure how long something takes, and mean nothing outside of this process. */
  readonly monotonicNow: () => number;
}

export const systemClock: Clock = { now: () => new Date(), monotonicNow: () => performance.now() };
