/** Below the list: how many are shown, and what can be done with those that are selected. */
import { CopyButton, shellWord } from "../../components/copy.tsx";
import { ConfirmButton } from "../../components/confirm.tsx";
import { counted, numberText } from "../../components/time-text.ts";
import { useManyJobs, type ManyDone } from "../../data/found-jobs.ts";
import { useAccess, useTenant } from "../../data/session.ts";
import { isTerminal } from "../../../runtime/core/job/states.ts";
import type { JobView } from "../../../runtime/client/index.ts";

export interface SelectedActionsProps {
  readonly jobs: readonly JobView[];
  readonly shownCount: number;
  readonly hasMore: boolean;
  /** Lists the same jobs. */
  readonly cli: string;
  readonly onDone: () => void;
}

export function SelectedActions({ jobs, shownCount, hasMore, cli, onDone }: SelectedActionsProps) {
  const { cancel, requeue } = useManyJobs();
  const { reason } = useAccess("submit", useTenant());
  const ended = jobs.filter(({ state }) => isTerminal(state)).map(({ jobId }) => jobId);
  const open = jobs.filter(({ state }) => !isTerminal(state)).map(({ jobId }) => jobId);
  if (jobs.length === 0)
    return (
      <>
        <span className="muted">
          {counted(shownCount, "job")}
          {hasMore ? ", more below" : ""}
        </span>
        <span className="end">
          <CopyButton text={cli} what="the command that lists them" />
        </span>
      </>
    );
  return (
    <>
      <b className="selected" role="status">
        {numberText(jobs.length)} selected
      </b>
      <ConfirmButton
        verb="Requeue the selected"
        cli={requeueLine(ended)}
        refused={reason ?? (ended.length === 0 ? "None of the selected jobs has ended." : undefined)}
        action={async () => {
          const result = await requeue.mutateAsync(ended);
          onDone();
          return doneText(result, "will run again");
        }}
      >
        {counted(ended.length, "job")} will run again with the same parameters. Attempts count from zero.
        {open.length === 0 ? null : ` ${counted(open.length, "job")} that have not ended are left alone.`}
      </ConfirmButton>
      <ConfirmButton
        verb="Cancel the selected"
        kind="danger"
        isDangerous
        cli={`echo ${open.map(shellWord).join(" ")} | xargs -n 1 jobyard cancel`}
        refused={reason ?? (open.length === 0 ? "All of the selected jobs have ended." : undefined)}
        action={async () => {
          const result = await cancel.mutateAsync(open);
          onDone();
          return doneText(result, "will end as canceled");
        }}
      >
        {counted(open.length, "job")} will not start, or are asked to end. Running jobs get a grace period.
        {ended.length === 0 ? null : ` ${counted(ended.length, "job")} that have ended are left alone.`}
      </ConfirmButton>
      <button type="button" className="btn quiet" onClick={onDone}>
        Select none
      </button>
    </>
  );
}

export const requeueLine = (jobIds: readonly string[]): string => `jobyard requeue ${jobIds.map(shellWord).join(" ")}`;

export const doneText = ({ done, refused, why }: ManyDone, words: string): string =>
  `${counted(done, "job")} ${words}.${refused === 0 ? "" : ` ${counted(refused, "job")} refused: ${why ?? ""}`}`;
