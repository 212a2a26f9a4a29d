/** What is paused, of these kinds: pause something, and resume it. */
import { useState } from "react";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { Panel } from "../../components/panel.tsx";
import { isPeoples, type PeoplesPause, subjectOf, usePauseActions, usePauses } from "../../data/pauses.ts";
import { pauseName, type PauseSubject } from "../../../runtime/core/admission/pause.ts";
import { PRIORITIES } from "../../../runtime/core/job/priority.ts";
import { PauseText } from "./pause-text.tsx";

type Kind = PauseSubject["kind"];

interface PausesProps {
  readonly title: string;
  /** Those that can be paused here. */
  readonly kinds: readonly Kind[];
  readonly tenantName: string;
  /** Names that are suggested. */
  readonly pools?: readonly string[];
  readonly jobTypes?: readonly string[];
  readonly refused: string | undefined;
}

export function Pauses({ title, kinds, tenantName, refused, ...names }: PausesProps) {
  const { data, error, refetch } = usePauses();
  const shown = data
    ?.filter(isPeoples)
    .filter(
      (pause) => kinds.includes(pause.kind) && (pause.tenantName === undefined || pause.tenantName === tenantName),
    );
  return (
    <Panel title={title}>
      {error === null ? null : (
        <ErrorNote error={error} what="The pauses cannot be shown." onRetry={() => void refetch()} />
      )}
      {shown === undefined && error === null ? <Ghost width={20} /> : null}
      {shown?.length === 0 ? <p className="muted">Nothing is paused.</p> : null}
      <div className="lines">
        {shown?.map((pause) => (
          <div key={JSON.stringify(subjectOf(pause))}>
            <PauseText pause={pause} />
            <Resume pause={pause} refused={refused} />
          </div>
        ))}
      </div>
      <div className="row panel-foot">
        <PauseSomething kinds={kinds} tenantName={tenantName} refused={refused} {...names} />
      </div>
    </Panel>
  );
}

function Resume({ pause, refused }: { readonly pause: PeoplesPause; readonly refused: string | undefined }) {
  const { resume } = usePauseActions();
  const subject = subjectOf(pause);
  return (
    <DialogButton
      verb="Resume"
      kind="quiet"
      refused={refused}
      cli={`jobyard resume ${optionsOf(subject)}`}
      action={async () => {
        await resume.mutateAsync(subject);
        return `Resumed: ${pauseName(subject)}.`;
      }}
    >
      Waiting jobs of {pauseName(subject)} go on within a few seconds.
    </DialogButton>
  );
}

const TITLES: Readonly<Record<Kind, string>> = {
  tenant: "the whole tenant",
  type: "a job type",
  pool: "a pool",
  queue: "one priority of a pool",
};

type SomethingProps = Pick<PausesProps, "kinds" | "tenantName" | "pools" | "jobTypes" | "refused">;

function PauseSomething({ kinds, tenantName, pools = [], jobTypes = [], refused }: SomethingProps) {
  const [kind, setKind] = useState<Kind>(kinds[0] ?? "tenant");
  const [jobType, setType] = useState("");
  const [pool, setPool] = useState(pools[0] ?? "");
  const [priority, setPriority] = useState<(typeof PRIORITIES)[number]>("low");
  const [reason, setReason] = useState("");
  const { pause } = usePauseActions();
  const subject = subjectOf({ kind, tenantName, jobType, pool, priority });
  const missing = kind === "type" ? jobType === "" : kind !== "tenant" && pool === "";
  return (
    <DialogButton
      button="Pause…"
      title="Pause"
      verb="Pause"
      isDangerous
      refused={refused}
      problem={missing ? `Name the ${kind === "type" ? "job type" : "pool"}.` : undefined}
      cli={`jobyard pause ${optionsOf(subject)}${reason === "" ? "" : ` --reason ${shellWord(reason)}`}`}
      action={async () => {
        await pause.mutateAsync({ subject, reason });
        setReason("");
        return `Paused: ${pauseName(subject)}. Running jobs go on; new ones wait.`;
      }}
    >
      <SelectField label="What" value={kind} onChange={(value) => setKind(value as Kind)}>
        {kinds.map((one) => (
          <option key={one} value={one}>
            {one === "tenant" ? `${TITLES[one]} ${tenantName}` : TITLES[one]}
          </option>
        ))}
      </SelectField>
      {kind === "type" ? <TextField label="Job type" value={jobType} onChange={setType} choices={jobTypes} /> : null}
      {kind === "pool" || kind === "queue" ? (
        <TextField label="Pool" value={pool} onChange={setPool} choices={pools} placeholder="default" />
      ) : null}
      {kind === "queue" ? (
        <SelectField label="Priority" value={priority} onChange={(value) => setPriority(value as typeof priority)}>
          {PRIORITIES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </SelectField>
      ) : null}
      <TextField label="Reason, for people" value={reason} onChange={setReason} />
      <p className="muted">Nothing new starts within 3 seconds. Running jobs go on. Jobs are accepted, and wait.</p>
    </DialogButton>
  );
}

function optionsOf(subject: PauseSubject): string {
  switch (subject.kind) {
    case "tenant":
      return `--tenant ${shellWord(subject.tenantName)}`;
    case "type":
      return `--tenant ${shellWord(subject.tenantName)} --type ${shellWord(subject.jobType === "" ? "<jobType>" : subject.jobType)}`;
    case "pool":
      return `--pool ${shellWord(subject.pool === "" ? "<pool>" : subject.pool)}`;
    case "queue":
      return `--queue ${shellWord(`${subject.pool === "" ? "<pool>" : subject.pool}/${subject.priority}`)}`;
  }
}
