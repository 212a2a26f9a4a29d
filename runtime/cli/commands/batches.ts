/** `jobyard batches`: a tenant's batches, or one with its counts; closing one. */
import type { Command } from "commander";
import type { BatchView } from "../../client/index.ts";
import {
  connect,
  firstOf,
  remoteCommand,
  show,
  showInstant,
  tenantOf,
  wholeNumber,
  type RemoteOptions,
} from "../command.ts";
import { table } from "../table.ts";
import type { Surroundings } from "../terminal.ts";

interface BatchesOptions extends RemoteOptions {
  readonly tenant?: string;
  readonly limit: number;
  readonly close?: true;
}

export const batchesCommand = (around: Surroundings): Command =>
  remoteCommand("batches", "List a tenant's batches, newest first; or look at one, or close it.", [
    "batches --tenant demo",
    "batches <batchId>",
    "batches <batchId> --close",
  ])
    .argument("[batchId]", "only this one, with its counts")
    .option("-t, --tenant <name>", "whose (default: your only tenant)")
    .option("-n, --limit <count>", "at most so many", wholeNumber(1, 1_000_000), 20)
    .option("--close", "accept no more jobs in it")
    .action(async (batchId: string | undefined, options: BatchesOptions) => {
      const { terminal, signal } = around;
      const client = await connect(options, around);
      if (batchId !== undefined) {
        const batch = options.close
          ? await client.management.closeBatch(batchId, { signal })
          : await client.monitoring.getBatch(batchId, { signal });
        show(terminal, options, batch, () => describe(batch));
        return;
      }
      const tenantName = await tenantOf(client, options.tenant, around);
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
    });

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
