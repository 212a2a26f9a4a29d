/** Opens a package: its bytes, judged as a whole before anything in it is read. */
import { PackageError } from "../core/errors.ts";
import { readArchive } from "./archive.ts";
import { judgeEntries, UNPACK_LIMITS, type UnpackLimits, type UnpackPlan } from "./judge.ts";

export interface OpenPackage {
  readonly bytes: Buffer;
  readonly plan: UnpackPlan;
}

/** Throws PackageError "PackageUnsafe", "PackageCorrupt" or "PackageTooLarge". */
export async function openPackage(given: Uint8Array, limits: UnpackLimits = UNPACK_LIMITS): Promise<OpenPackage> {
  if (given.length > limits.packageBytes) {
    throw new PackageError(
      "PackageTooLarge",
      `The package has ${given.length} bytes; at most ${limits.packageBytes} are allowed.`,
    );
  }
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  return { bytes, plan: judgeEntries(await readArchive(bytes, limits.entries), limits) };
}
