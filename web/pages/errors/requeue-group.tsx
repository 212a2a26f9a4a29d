/** The button that lets all jobs run again that failed in the same way. */
import { DialogButton } from "../../components/action-dialog.tsx";
import { counted } from "../../components/time-text.ts";
import type { FailureGroup } from "../../data/failure-groups.ts";
import { useManyJobs } from "../../data/found-jobs.ts";
import { useAccess } from "../../data/session.ts";
import { doneText, requeueLine } from "../jobs/selected-actions.tsx";

export function RequeueGroup({ group: { jobs, latest, code, jobType } }: { readonly group: FailureGroup }) {
  const { requeue } = useManyJobs();
  const { reason } = useAccess("submit", latest.tenantName);
  const jobIds = jobs.map(({ jobId }) => jobId);
  return (
    <DialogButton
      verb="Requeue"
      kind="quiet"
      refused={reason}
      cli={requeueLine(jobIds)}
      action={async () => doneText(await requeue.mutateAsync(jobIds), "will run again")}
    >
      {counted(jobs.length, "failed job")} of type {jobType} ({code}) will run again, with the same parameters and the
      current version of the package.
    </DialogButton>
  );
}
