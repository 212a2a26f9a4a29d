/** One job: where it stands and why, what happened to it, what it was given and what it left, what can be done. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { batchHref, href, jobHref } from "../../components/address.ts";
import { useNow } from "../../components/clock.ts";
import { Id } from "../../components/copy.tsx";
import { Empty } from "../../components/empty.tsx";
import { ErrorNote, Shown } from "../../components/error-note.tsx";
import { GhostPage } from "../../components/ghost.tsx";
import { Icon } from "../../components/icon.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { PageHead } from "../../components/page-head.tsx";
import { Facts } from "../../components/panel.tsx";
import { shownState, StateMark } from "../../components/state-mark.tsx";
import { Tabs } from "../../components/tabs.tsx";
import { At } from "../../components/times.tsx";
import { Timeline } from "../../components/timeline.tsx";
import { Why } from "../../components/why.tsx";
import { useJob } from "../../data/jobs.ts";
import type { JobView } from "../../../runtime/client/index.ts";
import { Artifacts } from "./artifacts.tsx";
import { FailureTab } from "./failure.tsx";
import { JobActions } from "./actions.tsx";
import { JobEvents } from "./events.tsx";
import { JobLog } from "./log.tsx";

export interface JobDetailProps {
  readonly jobId: string;
  /** Given: it stands beside a list, and this closes it. */
  readonly onClose?: (() => void) | undefined;
}

export function JobDetail({ jobId, onClose }: JobDetailProps) {
  const job = useJob(jobId);
  const now = useNow();
  const note = { error: job.error, what: "The job cannot be shown.", onRetry: () => void job.refetch() };
  if (job.data === undefined) return job.error === null ? <GhostPage /> : <ErrorNote {...note} />;
  const { tenantName, packageHash, runAt, expiresAt } = job.data;
  return (
    <Shown {...note} isRead>
      <Head job={job.data} onClose={onClose}>
        <StateMark state={shownState(job.data, now)} />
        {job.data.cancelWanted && job.data.state === "running" ? <span className="muted">cancel requested</span> : null}
      </Head>
      <Facts
        of={[
          [
            "Tenant",
            <Link key="t" href={href("/", { tenant: tenantName })}>
              {tenantName}
            </Link>,
          ],
          ["Type", job.data.jobType],
          [
            "Package",
            <span key="p">
              {job.data.jobProcessorPackageName}
              {packageHash === undefined ? null : <code title={packageHash}> {packageHash.slice(0, 7)}</code>}
            </span>,
          ],
          ["Pool", job.data.pool],
          ["Priority", job.data.priority],
          ["By", job.data.submittedBy],
          ["Submitted", <At key="s" at={job.data.submittedAt} />],
          ["Runs", runAt === undefined ? undefined : <At key="r" at={runAt} />],
          ["Expires", expiresAt === undefined ? undefined : <At key="e" at={expiresAt} />],
          ["Your id", job.data.clientJobId],
          ["", <Id key="i" id={job.data.jobId} what="the job's id" />],
        ]}
      />
      <Why job={job.data} now={now} />
      <Timeline job={job.data} now={now} />
      <JobTabs job={job.data} />
    </Shown>
  );
}

interface HeadProps extends Pick<JobDetailProps, "onClose"> {
  readonly job: JobView;
  readonly children: ReactNode;
}

function Head({ job, onClose, children }: HeadProps) {
  const { jobId, jobName, batchId } = job;
  if (onClose === undefined)
    return (
      <PageHead title={jobName} up={{ href: batchHref(batchId), title: "Batch" }} actions={<JobActions job={job} />}>
        {children}
      </PageHead>
    );
  return (
    <div className="head">
      <h2 className="cut">
        <Link href={jobHref(jobId)} title="Open its page">
          {jobName}
        </Link>
      </h2>
      {children}
      <button type="button" className="copy end" aria-label="Close this job" title="Close (Esc)" onClick={onClose}>
        <Icon name="close" />
      </button>
      <div className="actions">
        <JobActions job={job} />
      </div>
    </div>
  );
}

function JobTabs({ job }: { readonly job: JobView }) {
  const { state, failure, artifactCount, history } = job;
  return (
    <Tabs
      label="Of this job"
      first={
        failure !== undefined
          ? "failure"
          : state === "succeeded"
            ? "output"
            : state === "running"
              ? "log"
              : "parameters"
      }
      tabs={[
        ...(failure === undefined
          ? []
          : [{ id: "failure", title: "Failure", content: () => <FailureTab failure={failure} /> }]),
        { id: "log", title: "Log", count: history.length, content: () => <JobLog job={job} /> },
        {
          id: "parameters",
          title: "Parameters",
          content: () => (
            <Value value={job.parameters} what="the parameters" none="It was submitted without parameters." />
          ),
        },
        {
          id: "output",
          title: "Output",
          content: () => (
            <Value
              value={job.output}
              what="the output"
              none={state === "succeeded" ? "It returned nothing." : "It has returned nothing so far."}
            />
          ),
        },
        { id: "artifacts", title: "Artifacts", count: artifactCount, content: () => <Artifacts job={job} /> },
        { id: "events", title: "Events", content: () => <JobEvents job={job} /> },
        { id: "raw", title: "Raw", content: () => <JsonView value={job} what="the job as the API answers it" /> },
      ]}
    />
  );
}

const Value = ({ value, what, none }: { readonly value: unknown; readonly what: string; readonly none: string }) =>
  value === undefined ? <Empty title={none} /> : <JsonView value={value} what={what} />;
