/** One batch: its exact counts, how fast it goes, its failures by kind, what follows its end, its jobs. */
import { Link } from "wouter";
import { href, jobHref, useParam, type PageProps } from "../components/address.ts";
import { DialogButton } from "../components/action-dialog.tsx";
import { Id, shellWord } from "../components/copy.tsx";
import { CountsBar } from "../components/counts-bar.tsx";
import { Empty } from "../components/empty.tsx";
import { ErrorNote, Shown } from "../components/error-note.tsx";
import { Ghost, GhostPage } from "../components/ghost.tsx";
import { JobTable } from "../components/job-table.tsx";
import { PageHead } from "../components/page-head.tsx";
import { Facts, Panel } from "../components/panel.tsx";
import { BatchState, StateMark } from "../components/state-mark.tsx";
import { Ago, Span } from "../components/times.tsx";
import { counted, durationText, numberText } from "../components/time-text.ts";
import { useBatch, useBatchActions, useJobsOfBatch } from "../data/batches.ts";
import { groupFailures } from "../data/failure-groups.ts";
import { useAccess } from "../data/session.ts";
import { JOB_STATES, openOf, type JobState } from "../../runtime/core/job/states.ts";
import type { BatchView } from "../../runtime/client/index.ts";
import { Follows } from "./batch/follows.tsx";
import { RequeueGroup } from "./errors/requeue-group.tsx";

export function Page({ params: { batchId = "" } }: PageProps) {
  const batch = useBatch(batchId);
  const [stateParam, setState] = useParam("state");
  const state = JOB_STATES.find((one) => one === stateParam);
  const jobs = useJobsOfBatch(batchId, state);
  const note = { error: batch.error, what: "The batch cannot be shown.", onRetry: () => void batch.refetch() };
  if (batch.data === undefined) return batch.error === null ? <GhostPage /> : <ErrorNote {...note} />;
  const { tenantName, batchName, counts } = batch.data;
  return (
    <Shown {...note} isRead>
      <PageHead
        title={batchName}
        up={{ href: href("/batches", { tenant: tenantName }), title: "Batches" }}
        actions={<Actions batch={batch.data} />}
      >
        <BatchState batch={batch.data} />
      </PageHead>
      <Facts
        of={[
          ["Tenant", tenantName],
          ["Pool", batch.data.pool],
          ["Priority", batch.data.priority],
          ["By", batch.data.createdBy],
          ["Created", <Ago key="c" at={batch.data.createdAt} />],
          ["", <Id key="i" id={batchId} what="the batch's id" />],
        ]}
      />
      <div className="stack" style={{ marginBottom: 16 }}>
        <Panel title="Jobs by state">
          {counts === undefined ? <Ghost width={20} /> : <CountsBar counts={counts} withNumbers />}
        </Panel>
        <div className="two">
          <Pace batch={batch.data} />
          <Failures batch={batch.data} />
          <Follows batch={batch.data} />
        </div>
      </div>
      <div className="filters" role="group" aria-label="State">
        <StateChip label="all" isChosen={state === undefined} onChoose={() => setState(undefined)} />
        {JOB_STATES.map((one) => (
          <StateChip
            key={one}
            label={`${one}${counts === undefined ? "" : ` ${numberText(counts[one])}`}`}
            isChosen={state === one}
            onChoose={() => setState(one)}
          />
        ))}
      </div>
      <Shown
        error={jobs.error}
        isRead={jobs.items !== undefined}
        what="The jobs cannot be shown."
        onRetry={jobs.refresh}
      >
        <JobTable jobs={jobs.items} onEnd={jobs.onEnd} empty={<NoJobs batch={batch.data} state={state} />} />
      </Shown>
    </Shown>
  );
}

const StateChip = (props: { readonly label: string; readonly isChosen: boolean; readonly onChoose: () => void }) => (
  <button type="button" className="chip" aria-pressed={props.isChosen} onClick={props.onChoose}>
    {props.label}
  </button>
);

const NoJobs = ({ batch, state }: { readonly batch: BatchView; readonly state: JobState | undefined }) =>
  state === undefined ? (
    <Empty
      title="No jobs yet"
      cli={`jobyard submit --type <jobType> --package <name.zip> --batch ${shellWord(batch.batchId)}`}
    >
      The batch is {batch.state}. Submit a job into it.
    </Empty>
  ) : (
    <Empty title={`No job is ${state}`} />
  );

function Actions({ batch }: { readonly batch: BatchView }) {
  const { batchId, tenantName, state, counts } = batch;
  const { close, cancel, requeueFailed } = useBatchActions();
  const { reason } = useAccess("submit", tenantName);
  const open = counts === undefined ? 0 : openOf(counts);
  const failed = counts?.failed ?? 0;
  return (
    <>
      <DialogButton
        verb="Requeue the failed"
        cli={`jobyard requeue ${shellWord(batchId)}`}
        refused={reason ?? (failed === 0 ? "No job of this batch has failed." : undefined)}
        action={async () => `${counted(await requeueFailed.mutateAsync(batchId), "job")} will run again.`}
      >
        {counted(failed, "failed job")} will run again, with the attempts counted from zero.
      </DialogButton>
      <DialogButton
        verb="Close"
        cli={`jobyard batches ${shellWord(batchId)} --close`}
        refused={reason ?? (state === "open" ? undefined : `The batch is ${state}.`)}
        action={async () => {
          await close.mutateAsync(batchId);
          return "The batch accepts no more jobs.";
        }}
      >
        The batch accepts no more jobs. It is complete when its last job has ended.
      </DialogButton>
      <DialogButton
        verb="Cancel"
        kind="danger"
        isDangerous
        cli={`jobyard cancel ${shellWord(batchId)}`}
        refused={reason ?? (state === "canceled" ? "The batch is canceled." : undefined)}
        action={async () => {
          await cancel.mutateAsync(batchId);
          return "The jobs are being ended.";
        }}
      >
        {counted(open, "job")} that have not ended will be canceled. Running jobs get a grace period.
      </DialogButton>
    </>
  );
}

/** How long it has taken, and when it will end if it goes on like that. */
function Pace({ batch }: { readonly batch: BatchView }) {
  const { counts, createdAt, completedAt } = batch;
  const ended = counts === undefined ? 0 : counts.total - openOf(counts);
  const open = counts === undefined ? 0 : openOf(counts);
  const spentMs = Math.max(1, Date.parse(completedAt ?? new Date().toISOString()) - Date.parse(createdAt));
  return (
    <Panel title="Pace">
      <div className="lines">
        <div>
          <span className="x">{completedAt === undefined ? "Goes on since" : "Took"}</span>
          <Span from={createdAt} to={completedAt} />
        </div>
        <div>
          <span className="x">Throughput</span>
          <span>{numberText(Math.round((ended / spentMs) * 3_600_000))} jobs an hour</span>
        </div>
        <div>
          <span className="x">Expected end</span>
          <span>
            {open === 0 ? "–" : ended === 0 ? "not known yet" : `in about ${durationText((spentMs / ended) * open)}`}
          </span>
        </div>
      </div>
    </Panel>
  );
}

const GROUPS_MAX = 5;

/** Of the failed jobs that were read, by kind. */
function Failures({ batch }: { readonly batch: BatchView }) {
  const failed = useJobsOfBatch(batch.batchId, "failed");
  const groups = groupFailures(failed.items ?? []);
  return (
    <Panel title="Failures">
      {failed.items?.length === 0 ? <p className="muted">None.</p> : null}
      <div className="lines">
        {groups.slice(0, GROUPS_MAX).map((group) => {
          const text = group.latest.failure?.message ?? group.code;
          return (
            <div key={group.key}>
              <StateMark state="failed" markOnly />
              <span className="x cut" title={[group.code, text, group.frame].filter(Boolean).join("\n")}>
                {text}
              </span>
              <Link className="link" href={jobHref(group.latest.jobId)}>
                {counted(group.jobs.length, "job")}
              </Link>
              <RequeueGroup group={group} />
            </div>
          );
        })}
      </div>
      {groups.length > GROUPS_MAX ? (
        <p className="muted small">And {counted(groups.length - GROUPS_MAX, "kind")} more.</p>
      ) : null}
      {failed.hasMore ? (
        <p className="muted small">Of the first {numberText(failed.items?.length ?? 0)} that failed.</p>
      ) : null}
    </Panel>
  );
}
