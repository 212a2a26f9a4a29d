/**
 * The life of a long-running program under a supervisor. It reports when it is ready, stops cleanly at the first signal and at
 * once at the second, and does not outlive the supervisor. When the supervisor dies, programs still stop in its order: each
 * waits for the programs that the supervisor would have stopped first.
 */
import { setTimeout as delay } from "node:timers/promises";
import { GRACE_DEFAULT_MS } from "../core/limits.ts";
import { isOrphanOrders, type OrphanOrders } from "../core/settings/service.ts";
import type { OwnFolderOptions } from "../platform/own-folder.ts";
import { explain } from "./explain.ts";

export interface Service {
  /** Sent to the supervisor when the service is ready. */
  readonly ready: Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
  /**
   * Called after an uncaught error: reports it, and hands back what others wait for. The process ends afterwards, because its
   * state is unknown. Default: it ends at once.
   */
  onFault?(error: unknown): Promise<void>;
}

/** Exit code after a stop that was cut short. */
const CUT_SHORT = 130;
/** Exit code of a service that could not continue. Its supervisor starts it again. */
export const GIVEN_UP = 70;
/** Time for jobs to end, and to write that they have. */
const HAND_BACK_MS = GRACE_DEFAULT_MS + 10_000;
/** Each of the other programs ends in its own time, so this is for one that hangs. */
const OUTLIVE_LONGEST_MS = 90_000;
const CHECK_EVERY_MS = 50;
/** Time for an earlier owner of a folder to end. */
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
  // The supervisor has died. No other process would stop or kill this one.
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
  while (pids.some(isAlive) && performance.now() < until) await delay(CHECK_EVERY_MS);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** How a program waits for the earlier owner of a folder. */
export const ownerPatience = {
  waitMs: OWNER_WAIT_MS,
  onWait: (owner) => console.error(`Waiting for ${owner}, to end.`),
} as const satisfies Omit<OwnFolderOptions, "directory">;

/** Also for unhandled rejections, which Node turns into such errors. */
function endAfterFault(handBack: (error: unknown) => Promise<void> | undefined): void {
  let faulty = false;
  process.on("uncaughtException", (error) => {
    if (faulty) {
      // Most likely a consequence of the first.
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
