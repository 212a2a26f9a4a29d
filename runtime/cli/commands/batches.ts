/** `jobyard batches`: lists a tenant's batches, shows one with its counts, closes or creates one. */
import type { BatchView } from "../../client/index.ts";
import type { Priority } from "../../core/job/priority.ts";
import { connect, firstOf, show, showInstant, tenantOf, type RemoteOptions } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface BatchesOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly limit: number;
  readonly close?: true;
  readonly create?: string;
  readonly priority?: Priority;
  readonly pool?: string;
}

export async function batches(
  options: BatchesOptions,
  around: Surroundings,
  batchId: string | undefined,
): Promise<void> {
  const { terminal, signal } = around;
  const { create } = options;
  if (create !== undefined && (batchId !== undefined || options.close))
    throw new UsageError("--create makes a new batch and excludes a batch id and --close.");
  if (create === undefined && (options.priority ?? options.pool) !== undefined)
    throw new UsageError("--priority and --pool require --create.");
  if (options.close && batchId === undefined) throw new UsageError("Name the batch to close.");
  const client = await connect(options, around);
  if (batchId !== undefined) {
    const batch = options.close
      ? await client.management.closeBatch(batchId, { signal })
      : await client.monitoring.getBatch(batchId, { signal });
    show(terminal, options, batch, () => describe(batch));
    return;
  }
  const tenantName = await tenantOf(client, options.tenant, around);
  if (create !== undefined) {
    const { priority, pool } = options;
    const fields = { tenantName, batchName: create, ...(priority && { priority }), ...(pool && { pool }) };
    const created = await client.management.createBatch(fields, { signal });
    show(terminal, options, { batchId: created }, () => created);
    return;
  }
  const { limit } = options;
  const pageSize = Math.min(1_000, limit);
  const items = await firstOf(client.monitoring.getBatches(tenantName, { pageSize, signal }), limit);
  show(terminal, options, { items }, () =>
    table(
      ["batch", { title: "name", shortens: true }, "state", "priority", "pool", "created", "complete"],
      items.map((batch) => [
        batch.batchId,
        batch.batchName,
        batch.state,
        batch.priority,
        batch.pool,
        showInstant(batch.createdAt),
        showInstant(batch.completedAt),
      ]),
      { ...terminal, empty: "No batches." },
    ),
  );
}

function describe({
  batchName,
  batchId,
  state,
  completedAt,
  priority,
  pool,
  createdAt,
  createdBy,
  counts,
}: BatchView): string {
  return [
    batchName,
    `  batch    ${batchId}`,
    `  state    ${state}${completedAt === undefined ? "" : `, complete since ${showInstant(completedAt)}`}`,
    `  priority ${priority}, pool ${pool}`,
    `  created  ${showInstant(createdAt)} by ${createdBy}`,
    ...(counts === undefined
      ? []
      : [
          `  jobs     ${counts.total}: ${counts.queued} queued, ${counts.running} running, ` +
            `${counts.succeeded} succeeded, ${counts.failed} failed, ${counts.canceled} canceled`,
        ]),
  ].join("\n");
}
