/** Answers of operations that create something: 201 for the first request, 200 for a repeat with the same key. */

/** Headers of the 201. */
export const CREATED = { Location: "The address of what was created." };
/** Headers of the 200. */
export const REPLAYED = { ...CREATED, "Idempotency-Replayed": "`true`: this answers an earlier request again." };

/** `replayed`: an earlier request created it. */
export const createdReply = <Body>(Location: string, body: Body, replayed: boolean) =>
  replayed
    ? { status: 200 as const, headers: { Location, "Idempotency-Replayed": "true" }, body }
    : { status: 201 as const, headers: { Location }, body };
