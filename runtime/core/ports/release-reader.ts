/** The code a worker machine should run. */
import type { ReleasePointer } from "../release.ts";

export interface ReleaseReader {
  /** Undefined while there is none, as in the moment between the old and the new one. */
  current(signal: AbortSignal): Promise<ReleasePointer | undefined>;
}
