/** How many days what is left of a tenant's jobs is kept, by how they ended. */
import { useState } from "react";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { TextField } from "../../components/field.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { Panel } from "../../components/panel.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { Ago } from "../../components/times.tsx";
import { counted } from "../../components/time-text.ts";
import { useLimitActions, useRetention } from "../../data/limits.ts";
import { TERMINAL_STATES, type TerminalState } from "../../../runtime/core/job/states.ts";
import { RETENTION_MAX_DAYS } from "../../../runtime/core/limits.ts";
import type { RetentionView } from "../../../runtime/client/index.ts";
import { numberProblem } from "./number-problem.ts";

interface RetentionProps {
  readonly tenantName: string;
  /** Why the caller may not set it. */
  readonly refused: string | undefined;
}

const PARTS = [
  { field: "rowDays", title: "Job", option: "--jobs" },
  { field: "logDays", title: "Log", option: "--logs" },
  { field: "fileDays", title: "Files", option: "--files" },
] as const;

const daysText = (days: number): string => (days === 0 ? "for ever" : counted(days, "day"));

export function Retention({ tenantName, refused }: RetentionProps) {
  const { data, error, refetch } = useRetention(tenantName);
  return (
    <Panel title="Kept after the end of a job">
      {error === null ? null : (
        <ErrorNote error={error} what="The retention cannot be shown." onRetry={() => void refetch()} />
      )}
      {data === undefined && error === null ? <Ghost width={30} /> : null}
      {data === undefined ? null : (
        <>
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Jobs that</th>
                {PARTS.map(({ field, title }) => (
                  <th key={field} scope="col" className="num">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {TERMINAL_STATES.map((state) => (
                <tr key={state}>
                  <th scope="row">
                    <StateMark state={state} />
                  </th>
                  {PARTS.map(({ field }) => (
                    <td key={field} className="num">
                      {daysText(data[state][field])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          <p className="muted panel-foot">
            Dead letters: {data.deadLetterDays === 0 ? "as long as failed jobs" : daysText(data.deadLetterDays)}.{" "}
            {data.changedAt === undefined ? (
              "These are the system's defaults."
            ) : (
              <>
                Set <Ago at={data.changedAt} /> by {data.changedBy}.
              </>
            )}
          </p>
          <div className="row panel-foot">
            {TERMINAL_STATES.map((state) => (
              <SetDays key={state} tenantName={tenantName} retention={data} state={state} refused={refused} />
            ))}
            <SetLetters tenantName={tenantName} retention={data} refused={refused} />
            <Defaults
              tenantName={tenantName}
              refused={refused ?? (data.changedAt === undefined ? "It has the defaults already." : undefined)}
            />
          </div>
        </>
      )}
    </Panel>
  );
}

type SetProps = RetentionProps & { readonly retention: RetentionView };

const SHORTER = "What is older is removed for good, within some hours. What is gone does not come back.";

/** What the API takes of what it answers. */
const bodyOf = ({ succeeded, failed, canceled, deadLetterDays }: RetentionView) => ({
  ...{ succeeded: { ...succeeded }, failed: { ...failed }, canceled: { ...canceled } },
  deadLetterDays,
});

function SetDays({ tenantName, retention, state, refused }: SetProps & { readonly state: TerminalState }) {
  const [days, setDays] = useState<Readonly<Record<string, string>>>({});
  const { retention: set } = useLimitActions(tenantName);
  const textOf = (field: (typeof PARTS)[number]["field"]): string => days[field] ?? String(retention[state][field]);
  const problem = PARTS.map(({ field }) => numberProblem(textOf(field), 0, RETENTION_MAX_DAYS)).find(Boolean);
  return (
    <DialogButton
      button={`Days of ${state} jobs`}
      title={`How long ${state} jobs are kept`}
      verb="Set"
      isDangerous
      refused={refused}
      problem={problem}
      onOpen={() => setDays({})}
      cli={`jobyard retention ${shellWord(tenantName)} --outcome ${state} ${PARTS.map(({ field, option }) => `${option} ${textOf(field)}`).join(" ")}`}
      action={async () => {
        const [rowDays, logDays, fileDays] = PARTS.map(({ field }) => Number(textOf(field))) as [
          number,
          number,
          number,
        ];
        await set.mutateAsync({ ...bodyOf(retention), [state]: { rowDays, logDays, fileDays } });
        return `The days of ${state} jobs are set.`;
      }}
    >
      {PARTS.map(({ field, title }) => (
        <TextField
          key={field}
          label={`${title}, days; 0: for ever`}
          value={textOf(field)}
          onChange={(text) => setDays({ ...days, [field]: text })}
          problem={numberProblem(textOf(field), 0, RETENTION_MAX_DAYS)}
        />
      ))}
      <p className="muted">{SHORTER} Logs and files go with their job, if not before.</p>
    </DialogButton>
  );
}

function SetLetters({ tenantName, retention, refused }: SetProps) {
  const [days, setDays] = useState("");
  const { retention: set } = useLimitActions(tenantName);
  const problem = numberProblem(days, 0, RETENTION_MAX_DAYS);
  return (
    <DialogButton
      button="Days of dead letters"
      title="How long dead letters are kept"
      verb="Set"
      isDangerous
      refused={refused}
      problem={problem}
      onOpen={() => setDays(String(retention.deadLetterDays))}
      cli={`jobyard retention ${shellWord(tenantName)} --dead-letters ${problem === undefined ? days : "<days>"}`}
      action={async () => {
        await set.mutateAsync({ ...bodyOf(retention), deadLetterDays: Number(days) });
        return "The days of dead letters are set.";
      }}
    >
      <TextField label="Days; 0: as long as failed jobs" value={days} onChange={setDays} problem={problem} />
      <p className="muted">{SHORTER}</p>
    </DialogButton>
  );
}

function Defaults({ tenantName, refused }: RetentionProps) {
  const { retention: set } = useLimitActions(tenantName);
  return (
    <DialogButton
      verb="Use the defaults"
      kind="quiet"
      isDangerous
      refused={refused}
      cli={`jobyard retention ${shellWord(tenantName)} --defaults`}
      action={async () => {
        await set.mutateAsync(undefined);
        return `${tenantName} keeps what the system keeps by default.`;
      }}
    >
      The tenant keeps its jobs as long as the system does by default. {SHORTER}
    </DialogButton>
  );
}
