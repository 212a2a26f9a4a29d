/** The part of a structured logger that the system uses; pino satisfies it. Fields never hold tokens or payloads. */

type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** A logger that adds these fields to every line. */
  child(fields: Fields): Logger;
}
