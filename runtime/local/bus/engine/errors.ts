/** The errors of the broker. The AMQP and HTTP fronts translate the code into their protocols. */

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

/** The broker refused a request and changed nothing. Test by `code`, not by message. */
export class BusError extends Error {
  readonly code: BusErrorCode;
  /** The path of the entity in the message. The service writes its whole address there. */
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
