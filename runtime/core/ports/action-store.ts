/** Actions on many jobs, as rows. */
import type { ActionChanges, JobAction } from "../job/action.ts";
import type { Page, PageRequest, Stored } from "./stored.ts";

export interface ActionStore {
  /** Inserts it, to be found by `running`. Throws UnavailableError: it may have been started. */
  start(action: JobAction): Promise<void>;
  get(actionId: string): Promise<Stored<JobAction> | undefined>;
  /** False: another writer was faster, or the outcome is unknown. */
  update(actionId: string, etag: string, changes: ActionChanges): Promise<boolean>;
  /** Newest first. Throws InvalidRequestError for a token it did not make. */
  list(tenantName: string, request: PageRequest): Promise<Page<JobAction>>;
  /** Of all tenants, oldest first; some of them may have ended. */
  running(): Promise<readonly string[]>;
  /** Not found by `running` any more. */
  forgetRunning(actionId: string): Promise<void>;
}
