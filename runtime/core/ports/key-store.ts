/** Which keys of callers stand for which jobs and batches. */
import type { KeyName, KeyRecord } from "../job/keys.ts";

/** Which keys of callers stand for which jobs and batches. */
export interface KeyStore {
  /** In the order of the names; expired ones are not there. */
  find(tenantName: string, names: readonly KeyName[], expiredBefore: Date): Promise<readonly (KeyRecord | undefined)[]>;
  /**
   * Inserts each wish unless its key is taken, replacing expired ones; resolves to what each key stands for then, in the
   * order given. A record with the wished id is the wish itself: ids are never used twice. Keys must differ. When this
   * throws UnavailableError, any of the wishes may have been inserted, or still be.
   */
  reserve(tenantName: string, wishes: readonly KeyWish[], expiredBefore: Date): Promise<readonly KeyRecord[]>;
  /** Removes expired keys of all tenants, a part of the table at a time. */
  removeExpired(expiredBefore: Date, continuationToken: string | undefined): Promise<RemovedKeys>;
}

export interface KeyWish extends KeyName, KeyRecord {}

export interface RemovedKeys {
  readonly removed: number;
  /** Where to go on; absent: the end of the table was reached. */
  readonly continuationToken: string | undefined;
}
