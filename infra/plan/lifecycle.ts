/** When blobs go, as rules of the storage account. Packages and leases stay. */
import { CONTAINERS } from "../../runtime/core/deployment/storage-layout.ts";

/** Days; 0: for ever. */
export interface Retention {
  readonly logDays: number;
  readonly outputDays: number;
}

/** Replaced versions only exist where deleted blobs can be had back, and go with them. */
export function lifecycleRules({ logDays, outputDays }: Retention, softDeleteDays: number) {
  const ends = [
    { container: CONTAINERS.logs, days: logDays },
    { container: CONTAINERS.output, days: outputDays },
    // A job's large parameters are of use for as long as what it made of them.
    { container: CONTAINERS.input, days: outputDays },
  ];
  return [
    ...ends
      .filter(({ days }) => days > 0)
      .map(({ container, days }) => ({
        name: `end-of-${container}`,
        type: "Lifecycle",
        enabled: true,
        definition: {
          // Logs are append blobs, which Azure deletes by rule but does not move.
          filters: { blobTypes: ["blockBlob", "appendBlob"], prefixMatch: [`${container}/`] },
          actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: days } } },
        },
      })),
    ...(softDeleteDays > 0
      ? [
          {
            name: "end-of-replaced-versions",
            type: "Lifecycle",
            enabled: true,
            definition: {
              filters: { blobTypes: ["blockBlob", "appendBlob"] },
              actions: { version: { delete: { daysAfterCreationGreaterThan: softDeleteDays } } },
            },
          },
        ]
      : []),
  ];
}
