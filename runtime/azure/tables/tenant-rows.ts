/**
 * Which rows of which tables are a tenant's, for the erasing of a tenant. A tenant's name has neither a dot nor a slash, so the
 * keys from `acme.` up to `acme/` are acme's and never those of `acme-eu` or `acmes`. What lies in table `tenants` and what
 * names a secret or a subscription is removed by its own store.
 */
import { odata } from "@azure/data-tables";
import type { TABLES } from "../../core/deployment/storage-layout.ts";
import { InvariantError } from "../../core/errors.ts";
import { TENANT_NAME_PATTERN } from "../../core/job/ids.ts";
import type { TenantRowKind } from "../../core/ports/removal.ts";
import { RUNNING_PARTITION } from "./action-store.ts";
import type { RowKeys } from "./rows.ts";
import { WAITING_PARTITION } from "./webhook-entity.ts";
import { COUNTER_PREFIX } from "./writer-counter.ts";

/** Keys from one on, up to another one that is left out. */
interface Span {
  readonly from?: string;
  readonly before?: string;
}

export interface RowRange {
  readonly table: keyof typeof TABLES;
  /** One partition, or all in a span. */
  readonly partition: string | Required<Span>;
  /** Default: all. */
  readonly rows?: Span;
}

/** Throws InvariantError for what is not the name of a tenant. */
export function tenantRows(kind: TenantRowKind, tenantName: string): readonly RowRange[] {
  if (!TENANT_NAME_PATTERN.test(tenantName)) throw new InvariantError("Not a tenant name.");
  const below = { from: `${tenantName}.`, before: `${tenantName}/` };
  switch (kind) {
    case "jobs":
      return [{ table: "jobs", partition: below, rows: { before: COUNTER_PREFIX } }];
    case "counters":
      return [{ table: "jobs", partition: below, rows: { from: COUNTER_PREFIX } }];
    case "batches":
    case "keys":
    case "timers":
    case "webhooks":
      return [{ table: kind, partition: tenantName }];
    case "index":
      return [{ table: "index", partition: below }];
    case "limits":
      return [{ table: "gates", partition: below }];
    case "actions":
      return [
        { table: "actions", partition: tenantName },
        { table: "actions", partition: RUNNING_PARTITION, rows: below },
      ];
    case "deliveries":
      return [
        { table: "webhooks", partition: below },
        { table: "webhooks", partition: WAITING_PARTITION, rows: below },
      ];
  }
}

export function filterOf({ partition, rows = {} }: RowRange): string {
  return [
    typeof partition === "string"
      ? odata`PartitionKey eq ${partition}`
      : odata`PartitionKey ge ${partition.from} and PartitionKey lt ${partition.before}`,
    ...(rows.from === undefined ? [] : [odata`RowKey ge ${rows.from}`]),
    ...(rows.before === undefined ? [] : [odata`RowKey lt ${rows.before}`]),
  ].join(" and ");
}

/** The same as the filter. */
export const isIn = ({ partition, rows = {} }: RowRange, { partitionKey, rowKey }: RowKeys): boolean =>
  (typeof partition === "string" ? partitionKey === partition : isWithin(partition, partitionKey)) &&
  isWithin(rows, rowKey);

const isWithin = ({ from, before }: Span, key: string): boolean =>
  (from === undefined || key >= from) && (before === undefined || key < before);
