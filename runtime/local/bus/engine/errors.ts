/** What the broker refuses, in its own words; the AMQP and HTTP fronts translate the code into their protocol. */

export type BusErrorCode =
  | "entity-not-found"
  | "entity-already-exists"
  | "entity-disabled"
  | "message-lock-lost"
  | "message-not-found"
  | "message-too-large"
  | "session-lock-lost"
  | "session-cannot-be-locked"
  | "quota-exceeded"
  | "not-allowed"
  | "invalid-argument"
  | "not-implemented"
  | "unauthorized";

/** A request the broker refused. Nothing has changed when this is thrown. Test by `code`, not by message. */
export class BusError extends Error {
  readonly code: BusErrorCode;

  constructor(code: BusErrorCode, message: string) {
    super(message);
    this.name = "BusError";
    this.code = code;
  }
}

export const lockLost = (): BusError =>
  new BusError(
    "message-lock-lost",
    "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
  );

export const entityNotFound = (path: string): BusError =>
  new BusError("entity-not-found", `The messaging entity '${path}' could not be found. MessagingEntityNotFound`);
