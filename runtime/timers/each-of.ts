/** Does something for each of many, a few at a time: enough to hide the way to the service, and no flood. */

const AT_A_TIME = 8;

/** What came of each, in their order. Begins no more once one has failed; rejects with its error when all have ended. */
export async function eachOf<T, R>(items: readonly T[], step: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return;
      try {
        results[index] = await step(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(AT_A_TIME, items.length) }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}
