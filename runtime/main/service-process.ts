/**
 * The life of a long-running program under a supervisor: says when it is ready, stops cleanly at the first signal, at
 * once at the second, and does not outlive the supervisor that started it.
 */
import { explain } from "./explain.ts";

export interface Service {
  /** Told to the supervisor with the word that the service is ready. */
  readonly ready: Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
}

/** Exit code after a stop that was cut short. */
const CUT_SHORT = 130;

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
    const { ready } = await starting;
    process.send?.({ type: "ready", ...ready });
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): never {
  console.error(explain(error));
  process.exit(1);
}
