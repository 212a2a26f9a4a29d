/** Answers of operations that create something: 201 for the first request, 200 for a repeat with the same key. */

/** Headers of the 201. */
export const CREATED = { Location: "Its address." };
/** Headers of the 200. */
export const REPLAYED = { ...CREATED, "Idempotency-Replayed": "`true`: a request that came before is answered again." };

/** `replayed`: an earlier request created it. */
export const createdReply = <Body>(Location: string, body: Body, replayed: boolean) =>
  replayed
    ? { status: 200 as const, headers: { Location, "Idempotency-Replayed": "true" }, body }
    : { status: 201 as const, headers: { Location }, body };
