/**
 * Elects one process for a duty by the lease of an empty blob in container `leases`.
 *
 * Each holder acquires the lease under its own id. The same request takes a free lease, extends the process's own
 * lease, and succeeds again after a lost answer. https://learn.microsoft.com/rest/api/storageservices/lease-blob
 */
import { createHash } from "node:crypto";
import { InvariantError } from "../../core/errors.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isExisting, isMissing, storageError } from "../translate-error.ts";
import type { Clock } from "../../core/clock.ts";

export interface LeaderLeaseDeps {
  readonly storage: Pick<StorageClients, "blobs">;
  /** Of the duty and of the blob. */
  readonly name: string;
  /** Whole seconds, from 15 to 60 (the service's limits). */
  readonly durationMs: number;
  /** Who asks. The next process of the same holder has the lease at once, also after a crash. */
  readonly holder: string;
  readonly monotonicNow: Clock["monotonicNow"];
}

/** After this time an answer counts as lost. */
const ANSWER_WITHIN_MS = 10_000;

export function createLeaderLease({ storage, name, durationMs, holder, monotonicNow }: LeaderLeaseDeps): LeaderLease {
  const seconds = durationMs / 1_000;
  if (!Number.isInteger(seconds) || seconds < 15 || seconds > 60) {
    throw new InvariantError(`A lease cannot last ${durationMs} ms.`);
  }
  const blob = storage.blobs.getContainerClient(CONTAINERS.leases).getBlockBlobClient(name);
  const lease = blob.getBlobLeaseClient(guidOf(holder));
  let holding: Promise<boolean> | undefined;

  const inTime = (): { readonly abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(ANSWER_WITHIN_MS) });

  async function createBlob(): Promise<void> {
    try {
      await blob.upload("", 0, { ...inTime(), conditions: { ifNoneMatch: "*" } });
    } catch (error) {
      // Another process has created it, and may hold the lease already.
      if (!isConditionFailed(error)) throw error;
    }
  }

  async function acquire(): Promise<void> {
    try {
      await lease.acquireLease(seconds, inTime());
    } catch (error) {
      if (!isMissing(error)) throw error;
      await createBlob();
      await lease.acquireLease(seconds, inTime());
    }
  }

  async function tryToHold(): Promise<boolean> {
    // Measured from before the request, so never later than the lease's start. Detects a process that was paused
    // meanwhile.
    const startedAt = monotonicNow();
    try {
      await acquire();
    } catch (error) {
      if (isExisting(error)) return false;
      throw storageError(error, "acquiring a lease");
    }
    return monotonicNow() - startedAt < durationMs;
  }

  return {
    hold() {
      holding ??= tryToHold().finally(() => {
        holding = undefined;
      });
      return holding;
    },

    async release() {
      await holding?.catch(() => undefined);
      try {
        await lease.releaseLease(inTime());
      } catch (error) {
        // No blob, or another process holds the lease: nothing to release.
        if (!isConditionFailed(error)) throw storageError(error, "releasing a lease");
      }
    },
  };
}

/** The service wants the form of a GUID. */
function guidOf(holder: string): string {
  const hex = createHash("sha256").update(holder).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
