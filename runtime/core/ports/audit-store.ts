/** Who changed what through the API. Entries are added and expire; nothing changes one. */
import type { AuditEntry, AuditFilter } from "../audit.ts";
import type { Page, PageRequest } from "./stored.ts";

export interface AuditStore {
  /** Throws UnavailableError; the entry may have been added all the same. */
  add(entry: AuditEntry): Promise<void>;
  /**
   * Newest first; `tenantName` undefined: entries of no tenant. Reads AUDIT_SCAN_MAX_COUNT entries at most, so a page with a
   * filter can have fewer items than asked for and still be followed by another. Throws InvalidRequestError for a token it
   * did not make.
   */
  list(tenantName: string | undefined, filter: AuditFilter, request: PageRequest): Promise<Page<AuditEntry>>;
  /** Removes older entries, a part of the table at a time. */
  removeExpired(before: Date, position: string | undefined): Promise<RemovedEntries>;
}

export interface RemovedEntries {
  readonly removedCount: number;
  /** Where to go on. Undefined: the end of the table was reached. */
  readonly position: string | undefined;
}
