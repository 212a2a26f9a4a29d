/** Dead letters: records of jobs that failed for good, and apart from them messages that no worker can read. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { jobHref, useParam } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { shellWord } from "../components/copy.tsx";
import { DataTable, type Column } from "../components/data-table.tsx";
import { Empty } from "../components/empty.tsx";
import { Shown } from "../components/error-note.tsx";
import { FilterField } from "../components/filter-field.tsx";
import { PageHead } from "../components/page-head.tsx";
import { StateMark } from "../components/state-mark.tsx";
import { Tabs } from "../components/tabs.tsx";
import { Ago } from "../components/times.tsx";
import { counted } from "../components/time-text.ts";
import { letterKey, useDeadLetters, useRemoveDeadLetter } from "../data/dead-letters.ts";
import { useManyJobs } from "../data/found-jobs.ts";
import { useAccess, useTenant } from "../data/session.ts";
import type { DeadLetterView } from "../../runtime/client/index.ts";
import { doneText, requeueLine } from "./jobs/selected-actions.tsx";

export function Page() {
  const [pool, setPool] = useParam("pool");
  return (
    <>
      <PageHead title="Dead letters" />
      <div className="filters" role="group" aria-label="Filter">
        <FilterField label="Pool (default)" value={pool} onChange={setPool} />
        <span className="muted small">A dead letter is a message that the broker has set aside.</span>
      </div>
      <Tabs
        label="Kinds of dead letters"
        first="jobs"
        tabs={[
          { id: "jobs", title: "Failed jobs", content: () => <OfJobs pool={pool} /> },
          { id: "poison", title: "Unreadable", content: () => <Poison pool={pool} /> },
        ]}
      />
    </>
  );
}

const REASON: Column<DeadLetterView> = {
  id: "reason",
  title: "Reason",
  width: "40%",
  hide: "small",
  cell: ({ reason, description }) => (
    <span title={[reason, description].filter(Boolean).join(": ")}>
      <b>{reason}</b> {description}
    </span>
  ),
};
const SINCE: Column<DeadLetterView> = {
  id: "since",
  title: "Sent",
  width: "108px",
  isNumber: true,
  hide: "small",
  cell: ({ enqueuedAt }) => <Ago at={enqueuedAt} />,
};

const OF_JOBS: readonly Column<DeadLetterView>[] = [
  {
    id: "job",
    title: "Job",
    cell: ({ jobId = "", jobType, reason, description }) => (
      <Link className="name" href={jobHref(jobId)} title={jobId}>
        {jobType} <span className="sub hide-small">{jobId.slice(jobId.lastIndexOf(".") + 1)}</span>
        <span className="sub only-small">{description ?? reason}</span>
      </Link>
    ),
  },
  REASON,
  SINCE,
  {
    id: "act",
    title: "Act",
    width: "188px",
    cell: (letter) => (
      <>
        <Requeue letter={letter} />
        <Remove letter={letter} />
      </>
    ),
  },
];

const OF_POISON: readonly Column<DeadLetterView>[] = [
  {
    id: "message",
    title: "Message",
    cell: ({ messageId, queue, sequenceNumber, reason, description }) => (
      <span title={`${queue}/${sequenceNumber}`}>
        <StateMark state="poison" word={messageId} />
        <span className="sub only-small"> {description ?? reason}</span>
      </span>
    ),
  },
  { id: "queue", title: "Queue", width: "176px", hide: "medium", cell: ({ queue }) => queue },
  REASON,
  SINCE,
  { id: "act", title: "Act", width: "112px", cell: (letter) => <Remove letter={letter} /> },
];

function OfJobs({ pool }: { readonly pool: string | undefined }) {
  const tenantName = useTenant();
  const list = useDeadLetters({ tenantName, pool, poison: false });
  return (
    <Letters
      list={list}
      columns={OF_JOBS}
      label="Dead letters of failed jobs"
      empty={
        <Empty
          title="No job has failed for good"
          cli={`jobyard dead-letters --tenant ${shellWord(tenantName ?? "demo")}${poolWords(pool)}`}
        >
          The message of a job that fails for good stays here, with the reason, until the job is requeued or it is
          removed.
        </Empty>
      }
    />
  );
}

function Poison({ pool }: { readonly pool: string | undefined }) {
  const { allowed, reason } = useAccess("operate");
  const list = useDeadLetters({ tenantName: useTenant(), pool, poison: true, enabled: allowed });
  if (!allowed)
    return (
      <div className="table">
        <Empty title="Not for you to see">Unreadable messages belong to no tenant. {reason}</Empty>
      </div>
    );
  return (
    <Letters
      list={list}
      columns={OF_POISON}
      label="Unreadable messages"
      empty={
        <Empty title="No message is unreadable" cli={`jobyard dead-letters --poison${poolWords(pool)}`}>
          A message that no worker can read, because another program has sent it, is set aside and stands here.
        </Empty>
      }
    />
  );
}

const poolWords = (pool: string | undefined): string => (pool === undefined ? "" : ` --pool ${shellWord(pool)}`);

interface LettersProps {
  readonly list: ReturnType<typeof useDeadLetters>;
  readonly columns: readonly Column<DeadLetterView>[];
  readonly label: string;
  readonly empty: ReactNode;
}

function Letters({
  list: { items, error, hasMore, isLoadingMore, loadMore, onEnd, refresh },
  columns,
  label,
  empty,
}: LettersProps) {
  return (
    <Shown error={error} isRead={items !== undefined} what="The dead letters cannot be shown." onRetry={refresh}>
      <DataTable
        label={label}
        columns={columns}
        rows={items}
        keyOf={letterKey}
        hrefOf={({ jobId }) => (jobId === undefined ? "/dead-letters?tab=poison" : jobHref(jobId))}
        onEnd={onEnd}
        empty={
          hasMore ? (
            <Empty title="Nothing yet among those looked at">
              <button type="button" className="btn" aria-busy={isLoadingMore} onClick={loadMore}>
                {isLoadingMore ? "Looking…" : "Look further"}
              </button>
            </Empty>
          ) : (
            empty
          )
        }
        foot={
          <span className="muted">
            {counted(items?.length ?? 0, "dead letter")}
            {hasMore ? ", more below" : ""}
          </span>
        }
      />
    </Shown>
  );
}

function Requeue({ letter: { jobId = "" } }: { readonly letter: DeadLetterView }) {
  const { requeue } = useManyJobs();
  const { reason } = useAccess("submit", useTenant());
  return (
    <DialogButton
      verb="Requeue"
      kind="quiet"
      refused={reason}
      cli={requeueLine([jobId])}
      action={async () => doneText(await requeue.mutateAsync([jobId]), "will run again")}
    >
      The job runs again with the same parameters and the current version of its package. Its dead letter is removed.
    </DialogButton>
  );
}

function Remove({ letter }: { readonly letter: DeadLetterView }) {
  const remove = useRemoveDeadLetter();
  const tenant = useAccess("manage", useTenant());
  const system = useAccess("operate");
  const { reason } = letter.jobId === undefined ? system : tenant;
  return (
    <DialogButton
      verb="Remove"
      kind="quiet"
      isDangerous
      refused={reason}
      cli={`jobyard dead-letters --remove ${shellWord(letterKey(letter))}`}
      action={async () => {
        await remove.mutateAsync(letter);
        return "The dead letter is removed.";
      }}
    >
      {letter.jobId === undefined
        ? "The message is gone for good. Whoever sent it is not told."
        : "Only the message is removed. The job stays as it is and can still be requeued."}
    </DialogButton>
  );
}
