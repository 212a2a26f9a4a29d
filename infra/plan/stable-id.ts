/** Ids that must stay the same from deployment to deployment, made from what they stand for. */
import { createHash } from "node:crypto";

/** A UUID that depends on the given words alone. Assignments refer to it: another one would end them. */
export function stableUuid(...words: readonly string[]): string {
  const hex = createHash("sha256")
    .update(["jobyard", ...words].join("/"))
    .digest("hex");
  // Version 8 (made by an own rule), variant 1, as RFC 9562 wants them marked.
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/**
 * A well-formed ed25519 public key whose private half nobody has: its bytes are a hash, not the image of a secret.
 * Azure wants a key for every Linux machine; this one lets nobody in.
 */
export function keyOfNobody(): string {
  const field = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const point = createHash("sha256").update("jobyard: nobody logs in").digest();
  const type = "ssh-ed25519";
  return `${type} ${Buffer.concat([field(Buffer.from(type)), field(point)]).toString("base64")} nobody`;
}
