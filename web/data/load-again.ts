/**
 * Loads the whole dashboard again, at the same address and with the same session. This helps when a part of its code could not
 * be loaded: the API was down, or it has a new release, whose files have other names.
 */

const ASK_EVERY_MS = 1_000;
const ANSWER_WITHIN_MS = 10_000;
/** After this time the page says that the API is down. */
const SILENCE_MS = 30_000;
/** The part that the last reload was for. If it fails again, another reload does not help. */
const LOADED_AGAIN_FOR = "jobyard.loaded-again-for";

export const wasLoadedAgainFor = (part: string): boolean => sessionStorage.getItem(LOADED_AGAIN_FOR) === part;

/** To be called when the part was loaded. */
export function forgetLoadedAgainFor(part: string): void {
  if (wasLoadedAgainFor(part)) sessionStorage.removeItem(LOADED_AGAIN_FOR);
}

export interface LoadAgainOptions {
  readonly signal: AbortSignal;
  /** Called when the API has been down for SILENCE_MS. */
  readonly onSilence: () => void;
}

/** Waits for the API first: while it is down, the browser would show an error page of its own. Ends when it is aborted. */
export async function loadAgainFor(part: string, { signal, onSilence }: LoadAgainOptions): Promise<void> {
  const silentAt = performance.now() + SILENCE_MS;
  while (!(await isAnswered(signal))) {
    if (signal.aborted) return;
    if (performance.now() > silentAt) onSilence();
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  if (signal.aborted) return;
  sessionStorage.setItem(LOADED_AGAIN_FOR, part);
  location.reload();
}

/** The API answers with a page only if the request accepts HTML. */
async function isAnswered(signal: AbortSignal): Promise<boolean> {
  return fetch(location.pathname, {
    headers: { accept: "text/html" },
    cache: "no-store",
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  }).then(
    ({ ok }) => ok,
    () => false,
  );
}
