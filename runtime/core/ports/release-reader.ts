/** The code a worker machine should run. */
import { z } from "zod";

export interface ReleaseReader {
  /** Undefined while there is no pointer, as for a moment during a deployment. */
  current(signal: AbortSignal): Promise<ReleasePointer | undefined>;
}

// Which code the workers should run: a small blob that a deployment replaces and that idle workers follow.

const releasePointerSchema = z.object({
  /** Equal for equal code; compared with the version a worker was started as. */
  version: z.string().min(1).max(100),
  /** Name of the package in the same container. */
  blob: z.string().min(1).max(1_000),
  /** Of the package, in hexadecimal. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export type ReleasePointer = Readonly<z.infer<typeof releasePointerSchema>>;

/** Names, a hash and the JSON around them. */
export const RELEASE_POINTER_MAX_BYTES = 4_096;

/** Undefined for a text that is not a pointer. */
export function parseReleasePointer(text: string): ReleasePointer | undefined {
  try {
    return releasePointerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
