/** What can be done with a job: requeue, cancel, edit and submit anew, copy as a command or as code. */
import { useLocation } from "wouter";
import { jobHref } from "../../components/address.ts";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { JsonField, useJsonInput } from "../../components/json-field.tsx";
import { jsonText } from "../../components/json-view.tsx";
import { Menu } from "../../components/menu.tsx";
import { useToast } from "../../components/toast.tsx";
import { useCancelJob, useRequeueJob, useStartNow } from "../../data/jobs.ts";
import { useSendOnce } from "../../data/send-once.ts";
import { useAccess, useClient } from "../../data/session.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import type { JobView } from "../../../runtime/client/index.ts";
import { COPY_FORMS } from "./copy-forms.ts";

export function JobActions({ job }: { readonly job: JobView }) {
  const { jobId, tenantName, state, cancelWanted } = job;
  const toast = useToast();
  const cancel = useCancelJob();
  const requeue = useRequeueJob();
  const start = useStartNow();
  const { reason } = useAccess("submit", tenantName);
  const hasEnded = isTerminal(state);
  return (
    <>
      <Menu
        choices={COPY_FORMS.map(({ id, title, textOf }) => ({
          id,
          text: title,
          onChoose: () => {
            void navigator.clipboard
              .writeText(textOf(job, location.origin))
              .then(() => toast.show({ kind: "good", text: `Copied: ${title}.` }));
          },
        }))}
      >
        Copy as
      </Menu>
      <EditAndSubmit job={job} refused={reason} />
      <DialogButton
        verb="Cancel"
        kind="danger"
        isDangerous
        cli={`jobyard cancel ${shellWord(jobId)}`}
        refused={
          reason ??
          (hasEnded ? `The job is ${state} already.` : cancelWanted ? "Its worker is asked already." : undefined)
        }
        action={async () => {
          const after = await cancel.mutateAsync(jobId);
          return after.state === "canceled" ? "The job is canceled." : "Its worker has been asked to end it.";
        }}
      >
        {state === "running" ? "Its worker is asked to end it. It gets a grace period." : "It will not start."}
      </DialogButton>
      {state === "queued" && job.runAt !== undefined ? (
        <DialogButton
          verb="Start now"
          cli={`jobyard reschedule ${shellWord(jobId)} --delay 0`}
          refused={reason}
          action={async () => {
            await start.mutateAsync(jobId);
            return "The job may start now.";
          }}
        >
          It starts as soon as a worker is free, and not only at its time.
        </DialogButton>
      ) : null}
      <DialogButton
        verb="Requeue"
        kind="primary"
        cli={`jobyard requeue ${shellWord(jobId)}`}
        refused={reason ?? (hasEnded ? undefined : `The job is ${state}: it has not ended.`)}
        action={async () => {
          await requeue.mutateAsync(jobId);
          return "The job is queued again.";
        }}
      >
        It runs again with the same parameters and the current version of its package. Attempts count from zero.
      </DialogButton>
    </>
  );
}

/** A new job with other parameters. The old one stays as it is. */
function EditAndSubmit({ job, refused }: { readonly job: JobView; readonly refused: string | undefined }) {
  const client = useClient();
  const submit = useSendOnce();
  const [, navigate] = useLocation();
  const input = useJsonInput();
  // No text is no parameters, not those of before.
  const parameters = input.text.trim() === "" ? null : input.value;
  return (
    <DialogButton
      button="Edit and submit"
      title="Submit anew with other parameters"
      verb="Submit"
      isWide
      refused={refused}
      problem={input.problem}
      onOpen={() => {
        submit.forget();
        input.onText(jsonText(job.parameters));
      }}
      cli={`jobyard resubmit ${shellWord(job.jobId)} --parameters ${shellWord(parameters === null ? "null" : input.word)}`}
      action={async () => {
        const jobId = await submit.send([job.jobId, parameters], (idempotencyKey) =>
          client.management.resubmitJob(job.jobId, { parameters }, { idempotencyKey }),
        );
        navigate(jobHref(jobId));
        return "A new job is submitted.";
      }}
    >
      <JsonField label="Parameters, as JSON" {...input} rows={14} />
    </DialogButton>
  );
}
