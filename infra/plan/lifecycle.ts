/**
 * When blobs are deleted by rules of the storage account. The sweeper deletes logs, artifacts and parameters, because each
 * tenant decides how long they are kept (docs/retention.md).
 */

/** Previous versions exist only if deleted blobs can be restored. They are deleted with them. */
export const lifecycleRules = (softDeleteDays: number) =>
  softDeleteDays === 0
    ? []
    : [
        {
          name: "end-of-replaced-versions",
          type: "Lifecycle",
          enabled: true,
          definition: {
            // Logs are append blobs. Azure rules can delete these but not move them.
            filters: { blobTypes: ["blockBlob", "appendBlob"] },
            actions: { version: { delete: { daysAfterCreationGreaterThan: softDeleteDays } } },
          },
        },
      ];
