/** The journal cannot be read or written. The message is one sentence for the person who runs the bus. */
export class JournalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
  }
}
