/** What every table read gives: a value with its version, and pages of values. */

export interface Stored<T> {
  readonly value: T;
  readonly etag: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; absent on the last page. */
  readonly continuationToken: string | undefined;
}

export interface PageRequest {
  readonly pageSize: number;
  readonly continuationToken?: string | undefined;
}

/**
 * Told of a row of a scan that cannot be read, and that is passed over: rows of others need not wait for it. `key` names it.
 * A scan with nobody to tell throws UnreadableError.
 */
export type OnUnreadable = (key: string, error: unknown) => void;
