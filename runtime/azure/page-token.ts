/**
 * Continuation tokens of our own: the shard a page ended in and the last row it gave, so that a token can be checked
 * completely and does not depend on what the service encodes in its own.
 */
import { InvalidRequestError } from "../core/errors.ts";
import { CONTINUATION_TOKEN_MAX_LENGTH } from "../core/limits.ts";

export interface PagePosition {
  readonly shard: number;
  /** Row key after which the next page starts; empty: at the shard's begin. */
  readonly after: string;
}

export const encodePosition = ({ shard, after }: PagePosition): string =>
  Buffer.from(`1:${shard}:${after}`).toString("base64url");

/** Throws InvalidRequestError for a text `encodePosition` did not make, or whose row `isOurs` does not accept. */
export function decodePosition(
  token: string,
  shardCount: number,
  isOurs: (after: string, shard: number) => boolean,
): PagePosition {
  const text = token.length <= CONTINUATION_TOKEN_MAX_LENGTH ? Buffer.from(token, "base64url").toString() : "";
  const [, shardText, after] = /^1:(\d{1,4}):(.*)$/.exec(text) ?? [];
  const shard = Number(shardText);
  if (after !== undefined && shard < shardCount && (after === "" || isOurs(after, shard))) {
    const position = { shard, after };
    if (encodePosition(position) === token) return position;
  }
  throw new InvalidRequestError("InvalidRequest", "The continuation token does not belong to this list.", {
    details: [{ target: "continuationToken", message: "must be the one a page of this very list ended with" }],
  });
}
