/** The programs of `npm start`: how each is, its console, a restart. There are none in Azure. */
import { useParam } from "../../components/address.ts";
import { DialogButton } from "../../components/action-dialog.tsx";
import { shellWord } from "../../components/copy.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { LogView } from "../../components/log-view.tsx";
import { Panel } from "../../components/panel.tsx";
import { StateMark, type ShownState } from "../../components/state-mark.tsx";
import { Span } from "../../components/times.tsx";
import { counted } from "../../components/time-text.ts";
import { useConsole, useRestartProgram } from "../../data/system.ts";
import { readableConsole } from "./console-lines.ts";
import type { ProgramView } from "../../../runtime/client/index.ts";

const STATES: Readonly<Record<ProgramView["state"], ShownState>> = {
  starting: "delayed",
  running: "succeeded",
  restarting: "delayed",
};

export function Programs({ programs }: { readonly programs: readonly ProgramView[] }) {
  const [shown, show] = useParam("console");
  const open = programs.find(({ name }) => name === shown)?.name;
  return (
    <Panel title="Programs of npm start">
      <div className="stack">
        <div className="lines">
          {programs.map((program) => {
            const { name, state, startedAt, restartCount } = program;
            return (
              <div key={name}>
                <StateMark state={STATES[state]} word={state} />
                <span className="x cut">
                  {name}{" "}
                  <span className="muted hide-small">
                    <Span from={startedAt} to={undefined} />
                    {restartCount === 0 ? null : `, ${counted(restartCount, "restart")}`}
                  </span>
                </span>
                <button
                  type="button"
                  className="btn quiet"
                  aria-pressed={name === open}
                  aria-label={`Console of ${name}`}
                  onClick={() => show(name === open ? undefined : name)}
                >
                  Console
                </button>
                <Restart program={program} />
              </div>
            );
          })}
        </div>
        {open === undefined ? null : <Console key={open} name={open} />}
      </div>
    </Panel>
  );
}

function Restart({ program: { name, state } }: { readonly program: ProgramView }) {
  const restart = useRestartProgram();
  return (
    <DialogButton
      verb="Restart"
      kind="quiet"
      isDangerous
      title={`Restart ${name}?`}
      cli={`jobyard system --restart ${shellWord(name)}`}
      refused={state === "restarting" ? "It is restarting already." : undefined}
      action={async () => {
        await restart.mutateAsync(name);
        return `${name} stops, and starts again.`;
      }}
    >
      {name} stops as at the end of npm start, and starts again. A worker gives its jobs some seconds to end and hands
      back the rest without costing them an attempt. Programs that need {name} wait meanwhile, and no job is lost.
      {name === "identity" ? " Users must sign in again when their token ends." : ""}
    </DialogButton>
  );
}

function Console({ name }: { readonly name: string }) {
  const { data, error } = useConsole(name);
  return (
    <section className="stack" aria-label={`Console of ${name}`}>
      {error === null ? null : <ErrorNote error={error} what={`The console of ${name} cannot be read.`} />}
      {data === undefined ? <Ghost width={30} /> : <LogView text={readableConsole(data)} copied={data} isLive />}
    </section>
  );
}
