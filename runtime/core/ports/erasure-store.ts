/** The erasing of tenants, as rows: the progress, and afterwards the report. */
import type { Erasure } from "../job/erasure.ts";
import type { Stored } from "./stored.ts";

export interface ErasureStore {
  /** The latest one of the tenant. */
  get(tenantName: string): Promise<Stored<Erasure> | undefined>;
  /** False: the row has another version now, or the answer was lost. `etag` undefined: there must be no row. */
  put(erasure: Erasure, etag: string | undefined): Promise<boolean>;
  /** The latest one of every tenant that was ever erased. */
  all(): Promise<readonly Erasure[]>;
}
