/** What must hold on this machine before a received message may start a job, beside the job's own claim. */

export interface WorkPermit {
  /** Whether messages may be asked for. */
  readonly open: boolean;
  /** Calls back whenever `open` may have changed. */
  onChange(listener: () => void): void;
  /**
   * Resolves as soon as work may start; what it resolves to is disposed of when that work is over. Undefined: not in the
   * time a message may wait for it, or `until` has fired; the message is to go back.
   */
  acquire(until: AbortSignal): Promise<Disposable | undefined>;
}

const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

/** Where nothing has to hold. */
export const ALWAYS_PERMITTED: WorkPermit = {
  open: true,
  onChange: () => undefined,
  acquire: () => Promise.resolve(NOTHING),
};
