/**
 * The dashboard's own code that is loaded when it is first needed. It may not come: the API restarts, or has another release
 * now, whose files have other names. Both are mended by loading the whole dashboard again, with its address and its session.
 */

/** Between two questions whether the API answers again. */
const ASK_EVERY_MS = 1_000;
const ANSWER_WITHIN_MS = 10_000;
/** What is lacking so soon after that stays lacking. */
const SOON_MS = 10_000;

/** Rejects when loading everything again did not help, or would take away what the reader does meanwhile. */
export async function loadCode<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (isJustLoadedAgain()) throw error;
    const { pathname } = location;
    await untilAnswered();
    // The reader is on another page now, and may have typed there.
    if (location.pathname !== pathname) throw error;
    location.reload();
    // Until then, what waits for the code goes on waiting.
    return new Promise(() => undefined);
  }
}

function isJustLoadedAgain(): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return navigation?.type === "reload" && performance.now() < SOON_MS;
}

/** A reload before that would show the browser's own error page. */
async function untilAnswered(): Promise<void> {
  for (;;) {
    const answer = await fetch(location.pathname, {
      headers: { accept: "text/html" },
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    }).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}
