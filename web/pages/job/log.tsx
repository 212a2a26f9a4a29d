/** The log of each start of a job. That of a running start grows as it is written. */
import { useEffect, useState } from "react";
import { useParam } from "../../components/address.ts";
import { Empty } from "../../components/empty.tsx";
import { ErrorNote } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { LogView } from "../../components/log-view.tsx";
import { useClient } from "../../data/session.ts";
import type { JobView } from "../../../runtime/client/index.ts";

export function JobLog({ job }: { readonly job: JobView }) {
  const [startParam, setStart] = useParam("start");
  const last = job.history.at(-1)?.execution;
  const execution = job.history.find((entry) => String(entry.execution) === startParam)?.execution ?? last;
  if (execution === undefined) return <Empty title="It has not started">Its log begins with its first start.</Empty>;
  const isLive = execution === last && job.state === "running";
  return (
    <div className="stack">
      {job.history.length < 2 ? null : (
        <div className="filters" role="group" aria-label="Start">
          {job.history.map((entry) => (
            <button
              key={entry.execution}
              type="button"
              className="chip"
              aria-pressed={entry.execution === execution}
              onClick={() => setStart(entry.execution === last ? undefined : String(entry.execution))}
            >
              start {entry.execution} <span className="muted">{entry.outcome ?? ""}</span>
            </button>
          ))}
        </div>
      )}
      <StartLog key={execution} jobId={job.jobId} execution={execution} isLive={isLive} />
    </div>
  );
}

interface StartLogProps {
  readonly jobId: string;
  readonly execution: number;
  readonly isLive: boolean;
}

function StartLog({ jobId, execution, isLive }: StartLogProps) {
  const { text, error } = useLogText({ jobId, execution, isLive });
  if (error !== undefined) return <ErrorNote error={error} what="The log cannot be read." />;
  if (text === undefined) return <Ghost width={30} />;
  if (text === "" && !isLive) return <Empty title="It wrote nothing">What a job prints stands here.</Empty>;
  return <LogView text={text} isLive={isLive} />;
}

function useLogText({ jobId, execution, isLive }: StartLogProps) {
  const client = useClient();
  const [text, setText] = useState<string>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const ended = new AbortController();
    const { signal } = ended;
    const read = async (): Promise<void> => {
      if (!isLive) {
        setText(await client.monitoring.getLog(jobId, { execution, signal }));
        return;
      }
      let whole = "";
      setText(whole);
      for await (const piece of client.monitoring.followLog(jobId, { execution, signal })) {
        whole += piece;
        setText(whole);
      }
    };
    read().catch((thrown: unknown) => {
      if (!signal.aborted) setError(thrown);
    });
    return () => ended.abort();
  }, [client, jobId, execution, isLive]);
  return { text, error };
}
