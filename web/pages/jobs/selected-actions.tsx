/** Below the list: how many are shown, and what can be done with those that are selected, or with all that match. */
import { useState } from "react";
import { CopyButton, shellWord } from "../../components/copy.tsx";
import { DialogButton } from "../../components/action-dialog.tsx";
import { counted, numberText } from "../../components/time-text.ts";
import { useManyJobs, type JobFilter, type ManyDone } from "../../data/found-jobs.ts";
import { useAccess } from "../../data/session.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import type { JobView } from "../../../runtime/client/index.ts";
import { AllActions } from "./all-actions.tsx";
import { listLine } from "./filter.ts";

export interface SelectedActionsProps {
  readonly tenantName: string;
  readonly filter: JobFilter;
  readonly jobs: readonly JobView[];
  readonly shownCount: number;
  readonly hasMore: boolean;
  readonly onDone: () => void;
}

export function SelectedActions({ tenantName, filter, jobs, shownCount, hasMore, onDone }: SelectedActionsProps) {
  const [hasAll, setAll] = useState(false);
  const { reason } = useAccess("submit", tenantName);
  const done = (): void => {
    setAll(false);
    onDone();
  };
  const none = (
    <button type="button" className="btn quiet" onClick={done}>
      Select none
    </button>
  );
  if (hasAll)
    return (
      <>
        <b className="selected" role="status">
          All that match
        </b>
        <AllActions tenantName={tenantName} filter={filter} refused={reason} onStarted={done} />
        {none}
      </>
    );
  if (jobs.length > 0)
    return (
      <>
        <Selected jobs={jobs} refused={reason} onDone={done} />
        {none}
      </>
    );
  return (
    <>
      <span className="muted">
        {counted(shownCount, "job")}
        {hasMore ? ", more below" : ""}
      </span>
      <button type="button" className="btn quiet" onClick={() => setAll(true)}>
        Select all that match
      </button>
      <span className="end">
        <CopyButton text={listLine(tenantName, filter)} what="the command that lists them" />
      </span>
    </>
  );
}

interface SelectedProps {
  readonly jobs: readonly JobView[];
  readonly refused: string | undefined;
  readonly onDone: () => void;
}

function Selected({ jobs, refused, onDone }: SelectedProps) {
  const { cancel, requeue } = useManyJobs();
  const ended = jobs.filter(({ state }) => isTerminal(state)).map(({ jobId }) => jobId);
  const open = jobs.filter(({ state }) => !isTerminal(state)).map(({ jobId }) => jobId);
  return (
    <>
      <b className="selected" role="status">
        {numberText(jobs.length)} selected
      </b>
      <DialogButton
        verb="Requeue the selected"
        cli={requeueLine(ended)}
        refused={refused ?? (ended.length === 0 ? "None of the selected jobs has ended." : undefined)}
        action={async () => {
          const result = await requeue.mutateAsync(ended);
          onDone();
          return doneText(result, "will run again");
        }}
      >
        {counted(ended.length, "job")} will run again with the same parameters. Attempts count from zero.
        {open.length === 0 ? null : ` ${counted(open.length, "job")} that have not ended are left alone.`}
      </DialogButton>
      <DialogButton
        verb="Cancel the selected"
        kind="danger"
        isDangerous
        cli={`echo ${open.map(shellWord).join(" ")} | xargs -n 1 jobyard cancel`}
        refused={refused ?? (open.length === 0 ? "All of the selected jobs have ended." : undefined)}
        action={async () => {
          const result = await cancel.mutateAsync(open);
          onDone();
          return doneText(result, "will end as canceled");
        }}
      >
        {counted(open.length, "job")} will not start, or are asked to end. Running jobs get a grace period.
        {ended.length === 0 ? null : ` ${counted(ended.length, "job")} that have ended are left alone.`}
      </DialogButton>
    </>
  );
}

export const requeueLine = (jobIds: readonly string[]): string => `jobyard requeue ${jobIds.map(shellWord).join(" ")}`;

export const doneText = ({ done, refused, why }: ManyDone, words: string): string =>
  `${counted(done, "job")} ${words}.${refused === 0 ? "" : ` ${counted(refused, "job")} refused: ${why ?? ""}`}`;
