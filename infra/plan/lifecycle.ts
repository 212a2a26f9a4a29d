/** When blobs are deleted, as rules of the storage account. Packages and leases stay. */
import { CONTAINERS } from "../../runtime/core/deployment/storage-layout.ts";

/** Days; 0: forever. */
export interface Retention {
  readonly logDays: number;
  readonly outputDays: number;
}

/** Previous versions exist only if deleted blobs can be restored. They are deleted with them. */
export function lifecycleRules({ logDays, outputDays }: Retention, softDeleteDays: number) {
  const ends = [
    { container: CONTAINERS.logs, days: logDays },
    { container: CONTAINERS.output, days: outputDays },
    // A job's large parameters are useful for as long as its results.
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
          // Logs are append blobs. Azure rules can delete these but not move them.
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
