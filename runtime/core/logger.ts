/** The part of a structured logger that the system uses; pino satisfies it. Fields never hold tokens or payloads. */
import { parseBatchId, parseJobId } from "./job/ids.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
  /** A logger that adds these fields to every line. */
  child(fields: Fields): Logger;
}

/** The fields that name a batch. Empty for any other text. */
export function batchLogFields(batchId: string): Readonly<Record<string, string>> {
  const parts = parseBatchId(batchId);
  return parts === undefined ? {} : { tenantName: parts.tenantName, batchId };
}

/** The fields that name a job. Empty for any other text. */
export function jobLogFields(jobId: string): Readonly<Record<string, string>> {
  const parts = parseJobId(jobId);
  return parts === undefined ? {} : { tenantName: parts.tenantName, batchId: parts.batchId, jobId };
}
