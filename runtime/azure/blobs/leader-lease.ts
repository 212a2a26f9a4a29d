/**
 * Elects one process for a duty by the lease of an empty blob in container `leases`.
 *
 * Acquiring under an id of one's own serves all three purposes: it takes a free lease, extends one's own, and after a
 * lost answer finds it taken by oneself. https://learn.microsoft.com/rest/api/storageservices/lease-blob
 */
import { InvariantError } from "../../core/errors.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import { CONTAINERS } from "../../core/deployment/storage-layout.ts";
import type { StorageClients } from "../connect.ts";
import { isConditionFailed, isExisting, isMissing, storageError } from "../translate-error.ts";
import type { Clock } from "../../core/clock.ts";

export interface LeaderLeaseDeps {
  readonly storage: Pick<StorageClients, "blobs">;
  /** Of the duty, and so of the blob. */
  readonly name: string;
  /** Whole seconds, 15 to 60: limits of the service. */
  readonly durationMs: number;
  /** A GUID. */
  readonly newId: () => string;
  readonly monotonicNow: Clock["monotonicNow"];
}

/** An answer that takes longer was lost with its connection. */
const ANSWER_WITHIN_MS = 10_000;

export function createLeaderLease({ storage, name, durationMs, newId, monotonicNow }: LeaderLeaseDeps): LeaderLease {
  const seconds = durationMs / 1_000;
  if (!Number.isInteger(seconds) || seconds < 15 || seconds > 60) {
    throw new InvariantError(`A lease cannot last ${durationMs} ms.`);
  }
  const blob = storage.blobs.getContainerClient(CONTAINERS.leases).getBlockBlobClient(name);
  const lease = blob.getBlobLeaseClient(newId());
  let holding: Promise<boolean> | undefined;

  const inTime = (): { readonly abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(ANSWER_WITHIN_MS) });

  async function createBlob(): Promise<void> {
    try {
      await blob.upload("", 0, { ...inTime(), conditions: { ifNoneMatch: "*" } });
    } catch (error) {
      // Somebody else has created it, and may hold it already.
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
    // From before the request: the lease began at some time after. A process that was paused meanwhile sees it here.
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
        // No blob, or another's lease: there is nothing to release.
        if (!isConditionFailed(error)) throw storageError(error, "releasing a lease");
      }
    },
  };
}
