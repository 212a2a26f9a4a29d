/**
 * The whole dashboard, loaded again, with its address and its session. That mends code which does not come: the API restarts,
 * or has another release by now, whose files have other names.
 */

/** Between two questions whether the API answers. */
const ASK_EVERY_MS = 1_000;
const ANSWER_WITHIN_MS = 10_000;
/** Then whoever looks at the page is told. */
const GIVE_UP_AFTER_MS = 60_000;
/** For what the dashboard was loaded again: if that is still lacking, another time would not help. */
const LOADED_AGAIN_FOR = "jobyard.loaded-again-for";

export const wasLoadedAgainFor = (what: string): boolean => sessionStorage.getItem(LOADED_AGAIN_FOR) === what;

/** It has come. */
export function forgetLoadedAgainFor(what: string): void {
  if (wasLoadedAgainFor(what)) sessionStorage.removeItem(LOADED_AGAIN_FOR);
}

/** As soon as the API answers: before that, the browser would show an error page of its own. Rejects after a minute. */
export async function loadAgainFor(what: string, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + GIVE_UP_AFTER_MS;
  while (!(await isAnswered())) {
    if (performance.now() > until) throw new Error("The API does not answer.");
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    if (signal?.aborted) return;
  }
  if (signal?.aborted) return;
  sessionStorage.setItem(LOADED_AGAIN_FOR, what);
  location.reload();
}

/** As the browser asks for a page. */
async function isAnswered(): Promise<boolean> {
  const options = { headers: { accept: "text/html" }, cache: "no-store" } as const;
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  return fetch(location.pathname, { ...options, signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}
