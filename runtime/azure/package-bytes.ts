/**
 * The SHA-256 of a package's bytes, and whether they are the bytes that were published. Whoever can write into the
 * container can replace a package and leave its metadata as it was; nothing of such a package may be used.
 */
import { webcrypto } from "node:crypto";
import { PackageError } from "../core/errors.ts";

/** In hexadecimal. Does not hold up the event loop: a package has up to hundreds of megabytes. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

/**
 * The SHA-256 of the bytes. Throws PackageError "PackageCorrupt" when another one was recorded; a package that was put
 * into the container by other means has no record to compare.
 */
export async function checkedSha256(bytes: Uint8Array, recorded: string | undefined): Promise<string> {
  const sha256 = await sha256Of(bytes);
  if (recorded === undefined || recorded === sha256) return sha256;
  throw new PackageError(
    "PackageCorrupt",
    `The package's bytes were replaced after it was published: their SHA-256 is ${sha256}, not ${recorded}. Publish it again.`,
  );
}
