/**
 * The life of a long-running program under a supervisor: says when it is ready, stops cleanly at the first signal, at
 * once at the second, and does not outlive the supervisor that started it.
 */
import { GRACE_DEFAULT_MS } from "../core/limits.ts";
import { explain } from "./explain.ts";

export interface Service {
  /** Told to the supervisor with the word that the service is ready. */
  readonly ready: Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
  /**
   * Something went wrong that nobody caught: says so, and hands back what others wait for. The process ends afterwards,
   * because nobody knows what else is wrong with it. Default: it ends at once.
   */
  onFault?(error: unknown): Promise<void>;
}

/** Exit code after a stop that was cut short. */
const CUT_SHORT = 130;
/** Exit code of a service that could not go on; its supervisor starts it again. */
export const GIVEN_UP = 70;
/** What jobs get to end by themselves, and time to write that they have. */
const HAND_BACK_MS = GRACE_DEFAULT_MS + 10_000;

export async function runService(start: () => Promise<Service>): Promise<void> {
  let stopping = false;
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
  // The supervisor is gone: nobody would ever stop this process.
  process.on("disconnect", () => {
    if (!stopping) stop();
  });

  try {
    const service = await starting;
    if (service.onFault !== undefined) endAfterFault((error) => service.onFault?.(error));
    process.send?.({ type: "ready", ...service.ready });
  } catch (error) {
    fail(error);
  }
}

/** Also for rejections nobody handles, which Node makes such errors of. */
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
