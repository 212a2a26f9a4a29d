/**
 * The life cycle of a program under a supervisor: it reports that it is ready, stops cleanly at the first signal, at
 * once at the second, and does not outlive its supervisor. When the supervisor dies, programs still stop in its order:
 * each waits for those that the supervisor would have stopped before it.
 */
import { GRACE_DEFAULT_MS } from "../core/limits.ts";
import { isOrphanOrders, type OrphanOrders } from "../platform/orphan-orders.ts";
import type { OwnFolderOptions } from "../platform/own-folder.ts";
import { explain } from "./explain.ts";
import { sleep } from "../core/sleep.ts";

export interface Service {
  /** Sent to the supervisor with the ready message. */
  readonly ready: Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
  /**
   * Called after an uncaught error: logs it and hands back what other processes wait for. The process exits afterwards,
   * because its state is unknown. Default: it exits at once.
   */
  onFault?(error: unknown): Promise<void>;
}

/** Exit code after a stop that was cut short. */
const CUT_SHORT = 130;
/** Exit code of a service that cannot continue. Its supervisor restarts it. */
export const GIVEN_UP = 70;
/** Time for jobs to end, and for recording their ends. */
const HAND_BACK_MS = GRACE_DEFAULT_MS + 10_000;
/** Each of the others has its own time limit, so this is for programs that hang. */
const OUTLIVE_LONGEST_MS = 90_000;
const CHECK_EVERY_MS = 50;
/** Time for an earlier user of a folder to end. */
const OWNER_WAIT_MS = 10_000;

export async function runService(start: () => Promise<Service>): Promise<void> {
  let stopping = false;
  let orders: Omit<OrphanOrders, "type"> = { stopAfter: [], graceMs: HAND_BACK_MS };
  const starting = start();

  const stop = (): void => {
    if (stopping) process.exit(CUT_SHORT);
    stopping = true;
    starting
      .then((service) => service.stop())
      .then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("message", (message) => {
    if (isOrphanOrders(message)) orders = message;
  });
  // Without its supervisor, this process must stop itself and kill itself if it hangs.
  process.on("disconnect", () => {
    const { stopAfter, graceMs } = orders;
    void allEnded(stopAfter).then(() => {
      setTimeout(() => process.exit(CUT_SHORT), graceMs);
      if (!stopping) stop();
    });
  });

  try {
    const service = await starting;
    if (service.onFault !== undefined) endAfterFault((error) => service.onFault?.(error));
    process.send?.({ type: "ready", ...service.ready });
  } catch (error) {
    fail(error);
  }
}

async function allEnded(pids: readonly number[]): Promise<void> {
  const until = performance.now() + OUTLIVE_LONGEST_MS;
  while (pids.some(isAlive) && performance.now() < until) await sleep(CHECK_EVERY_MS);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Waits for the earlier user of a folder. */
export const ownerPatience = {
  waitMs: OWNER_WAIT_MS,
  onWait: (owner) => console.error(`Waiting for ${owner} to end.`),
} as const satisfies Omit<OwnFolderOptions, "directory">;

/** Includes unhandled rejections, which Node turns into uncaught errors. */
function endAfterFault(handBack: (error: unknown) => Promise<void> | undefined): void {
  let faulty = false;
  process.on("uncaughtException", (error) => {
    if (faulty) {
      // Probably a consequence of the first error.
      console.error(explain(error));
      return;
    }
    faulty = true;
    const giveUp = (): never => process.exit(GIVEN_UP);
    setTimeout(giveUp, HAND_BACK_MS);
    Promise.resolve(handBack(error)).then(giveUp, (second: unknown) => {
      console.error(explain(second));
      giveUp();
    });
  });
}

function fail(error: unknown): never {
  console.error(explain(error));
  process.exit(1);
}
