/** Ids that must stay the same in every deployment. They are derived from what they identify. */
import { createHash } from "node:crypto";

/** A UUID that depends only on the given words. Assignments refer to it: a new one would end them. */
export function stableUuid(...words: readonly string[]): string {
  const hex = createHash("sha256")
    .update(["jobyard", ...words].join("/"))
    .digest("hex");
  // Version 8 (custom rule), variant 1, marked as RFC 9562 requires.
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/**
 * A well-formed ed25519 public key without a private key: its bytes are a hash. Azure requires a key for every Linux
 * machine. With this one, login is impossible.
 */
export function keyOfNobody(): string {
  const field = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const point = createHash("sha256").update("jobyard: nobody logs in").digest();
  const type = "ssh-ed25519";
  return `${type} ${Buffer.concat([field(Buffer.from(type)), field(point)]).toString("base64")} nobody`;
}
