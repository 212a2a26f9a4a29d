/** The batches of a tenant, newest first. */
import { Link } from "wouter";
import { batchHref } from "../components/address.ts";
import { shellWord } from "../components/copy.tsx";
import { CountsBar } from "../components/counts-bar.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Ago } from "../components/times.tsx";
import { BatchState } from "../components/state-mark.tsx";
import { counted } from "../components/time-text.ts";
import { useBatch, useBatches } from "../data/batches.ts";
import { useTenant } from "../data/session.ts";
import type { BatchView } from "../../runtime/client/index.ts";

const COLUMNS: readonly Column<BatchView>[] = [
  { id: "state", title: "State", width: "104px", cell: (batch) => <BatchState batch={batch} /> },
  {
    id: "name",
    title: "Batch",
    cell: ({ batchId, batchName }) => (
      <Link className="name" href={batchHref(batchId)}>
        {batchName}
      </Link>
    ),
  },
  { id: "jobs", title: "Jobs", width: "30%", cell: ({ batchId }) => <Counts batchId={batchId} /> },
  { id: "pool", title: "Pool", width: "110px", hide: "medium", cell: ({ pool }) => pool },
  { id: "priority", title: "Priority", width: "90px", hide: "medium", cell: ({ priority }) => priority },
  {
    id: "created",
    title: "Created",
    width: "110px",
    isNumber: true,
    hide: "small",
    cell: ({ createdAt }) => <Ago at={createdAt} />,
  },
];

/** Read when its row comes into view. */
function Counts({ batchId }: { readonly batchId: string }) {
  const { data } = useBatch(batchId);
  if (data?.counts === undefined) return null;
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      <span style={{ flex: 1 }}>
        <CountsBar counts={data.counts} />
      </span>
      <span className="muted hide-small" style={{ width: 72 }}>
        {counted(data.counts.total, "job")}
      </span>
    </span>
  );
}

export function Page() {
  const tenantName = useTenant();
  const { items, error, onEnd, refresh } = useBatches(tenantName);
  return (
    <>
      <PageHead title="Batches" />
      <Shown error={error} isRead={items !== undefined} what="The batches cannot be shown." onRetry={refresh}>
        <DataTable
          label="Batches"
          columns={COLUMNS}
          rows={items}
          keyOf={({ batchId }) => batchId}
          hrefOf={({ batchId }) => batchHref(batchId)}
          onEnd={onEnd}
          empty={
            <Empty
              title="No batches yet"
              cli={`jobyard batches --tenant ${shellWord(tenantName ?? "demo")} --create "My first batch"`}
            >
              A batch holds jobs that belong together. A job without one joins its tenant's batch of the day.
            </Empty>
          }
        />
      </Shown>
    </>
  );
}
