/** Notices that somebody has shown no sign of life for too long. */

export interface IdleLimit {
  readonly touch: () => void;
  stop(): void;
}

/** Infinity: no limit. Calls `onIdle` once, between `idleMs` and a few milliseconds more after the last `touch`. */
export function startIdleLimit(idleMs: number, onIdle: () => void): IdleLimit {
  let last = performance.now();
  let timer: NodeJS.Timeout | undefined;

  // Signs of life come by the thousand, so that they only note the time; the timer looks whether there was one.
  function waitFor(ms: number): void {
    timer = setTimeout(() => {
      const left = last + idleMs - performance.now();
      if (left > 0) waitFor(Math.ceil(left));
      else onIdle();
    }, ms);
  }

  if (Number.isFinite(idleMs)) waitFor(idleMs);
  return {
    touch: () => {
      last = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}
