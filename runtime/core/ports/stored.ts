/** The results of table reads: a value with its version, and pages of values. */

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
 * Called for an unreadable row of a scan. The row, which `key` names, is skipped, so that the others need not wait for it.
 * Without this function the scan throws UnreadableError.
 */
export type OnUnreadable = (key: string, error: unknown) => void;
