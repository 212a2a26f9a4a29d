/** What every process of ours tells about itself: how long its event loop was held up, and its memory. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "../telemetry/metrics.ts";

/** Between two samples of the loop, which costs a timer. A delay is measured beyond it. */
const RESOLUTION_MS = 20;

/** Measures until the returned function is called. Idempotent. */
export function measureProcess({ loopDelay, processMemory }: Pick<Metrics, "loopDelay" | "processMemory">): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const stopDelay = loopDelay.watch(() => {
    const seconds = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1_000);
    delay.reset();
    return [{ value: seconds, attributes: {} }];
  });
  const stopMemory = processMemory.watch(() => [{ value: process.memoryUsage.rss(), attributes: {} }]);
  return () => {
    delay.disable();
    stopDelay();
    stopMemory();
  };
}
