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
  /** The path of the entity that the message is about, where the service would give its whole address. */
  readonly entity: string | undefined;

  constructor(code: BusErrorCode, message: string, entity?: string) {
    super(message);
    this.name = "BusError";
    this.code = code;
    this.entity = entity;
  }
}

export const lockLost = (): BusError =>
  new BusError(
    "message-lock-lost",
    "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
  );

export const entityNotFound = (path: string): BusError =>
  new BusError("entity-not-found", `The messaging entity '${path}' could not be found.`, path);

export const entityExists = (path: string): BusError =>
  new BusError("entity-already-exists", `The messaging entity '${path}' already exists.`, path);
