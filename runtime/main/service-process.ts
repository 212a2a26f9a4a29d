/**
 * The life cycle of a program under a supervisor: it reports that it is ready, stops cleanly at the first signal, at
 * once at the second (a second SIGTERM is ignored while a supervisor is connected), and does not outlive its supervisor.
 * When the supervisor dies, programs still stop in its order: each waits for those that the supervisor would have stopped
 * before it.
 */
import { GRACE_DEFAULT_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import { isMessage, type OrphanOrders } from "../platform/supervisor-messages.ts";
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

/** How a program ends. Given to its start, which may fail after the first log lines. */
export interface Exits {
  /**
   * To be called last on every way out but a second signal, with the error that ends the process, if one does: sends what
   * is left of the log. It has `LAST_WORDS_MS`.
   */
  lastWords(say: (error: unknown) => Promise<void>): void;
  /** Ends a service that cannot continue. Its supervisor restarts it. */
  giveUp(): void;
}

/** Exit code after a stop that was cut short. */
const CUT_SHORT = 130;
/** Exit code after an error that a service does not handle. */
const FAILED = 1;
/** Exit code of a service that cannot continue. Its supervisor restarts it. */
export const GIVEN_UP = 70;
/** Time for jobs to end, and for recording their ends. */
const HAND_BACK_MS = GRACE_DEFAULT_MS + 10_000;
/** Each of the others has its own time limit, so this is for programs that hang. */
const OUTLIVE_LONGEST_MS = 90_000;
/** A receiver of logs that is away must not hold up the end. systemd and App Service leave more than this for a stop. */
export const LAST_WORDS_MS = 3_000;
const CHECK_EVERY_MS = 50;
/** Longer than any part of a program takes to end, also on a busy machine. */
const PART_WITHIN_MS = 10_000;
/** Time for an earlier user of a folder to end. */
const OWNER_WAIT_MS = 10_000;

export async function runService(start: (exits: Exits) => Promise<Service>): Promise<void> {
  let stopping = false;
  let lastWords: (error: unknown) => Promise<void> = () => Promise.resolve();
  const leave = (code: number, error?: unknown): void => {
    const end = (): never => process.exit(code);
    setTimeout(end, LAST_WORDS_MS);
    lastWords(error).then(end, (second: unknown) => {
      console.error(explain(second));
      end();
    });
  };
  const fail = (error: unknown): void => {
    console.error(explain(error));
    leave(FAILED, error);
  };
  let orders: Omit<OrphanOrders, "type"> = { stopAfter: [], graceMs: HAND_BACK_MS };
  const starting = start({
    lastWords: (say) => (lastWords = say),
    giveUp: () => leave(GIVEN_UP),
  });

  const stop = (signal?: NodeJS.Signals): void => {
    // A supervisor may ask twice, for a restart and then for the end. When it loses patience, it kills.
    if (stopping && signal === "SIGTERM" && process.connected) return;
    if (stopping) process.exit(CUT_SHORT);
    stopping = true;
    starting.then((service) => service.stop()).then(() => leave(0), fail);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("message", (message) => {
    if (isMessage(message, "orphan-orders")) orders = message;
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
    if (service.onFault !== undefined) endAfterFault((error) => service.onFault?.(error), leave);
    process.send?.({ type: "ready", ...service.ready });
  } catch (error) {
    fail(error);
  }
}

/**
 * Ends the parts of a program in turn. One that does not end in time, as a connection whose broker is away, is named in the
 * log and left behind: the process is about to end.
 */
export async function endInTurn(
  log: Pick<Logger, "error">,
  parts: Readonly<Record<string, () => unknown>>,
  withinMs = PART_WITHIN_MS,
): Promise<void> {
  for (const [part, end] of Object.entries(parts)) {
    const ending = Promise.resolve(end());
    // Whoever waits no longer does not hear of its failure.
    ending.catch(() => undefined);
    const waited = new AbortController();
    const late = sleep(withinMs, waited.signal).then(() => "late");
    const outcome = await Promise.race([ending, late]).finally(() => waited.abort());
    if (outcome === "late") log.error({ part }, "a part of this program does not end; it is left behind");
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
function endAfterFault(
  handBack: (error: unknown) => Promise<void> | undefined,
  leave: (code: number, error: unknown) => void,
): void {
  let faulty = false;
  process.on("uncaughtException", (error) => {
    if (faulty) {
      // Probably a consequence of the first error.
      console.error(explain(error));
      return;
    }
    faulty = true;
    const giveUp = (): void => leave(GIVEN_UP, error);
    setTimeout(giveUp, HAND_BACK_MS);
    Promise.resolve(handBack(error)).then(giveUp, (second: unknown) => {
      console.error(explain(second));
      giveUp();
    });
  });
}
