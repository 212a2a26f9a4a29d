/** The log of each start of a job. That of a running start grows as it is written. */
import { useEffect, useState } from "react";
import { useParam } from "../../components/address.ts";
import { Empty } from "../../components/empty.tsx";
import { Shown } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { LogView } from "../../components/log-view.tsx";
import { useClient } from "../../data/session.ts";
import { isJobServiceError, type JobServiceClient, type JobView } from "../../../runtime/client/index.ts";

/** Until the next try, when it could not be read. */
const AGAIN_AFTER_MS = 5_000;

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
  const { text, error, read } = useLogText({ jobId, execution, isLive });
  return (
    <Shown error={error} isRead={text !== undefined} what="The log cannot be read." onRetry={read}>
      {text === undefined ? (
        <Ghost width={30} />
      ) : text === "" && !isLive ? (
        <Empty title="It wrote nothing">What a job prints stands here.</Empty>
      ) : (
        <LogView text={text} isLive={isLive} />
      )}
    </Shown>
  );
}

function useLogText({ jobId, execution, isLive }: StartLogProps) {
  const client = useClient();
  const [text, setText] = useState<string>();
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  const read = (): void => setTries((before) => before + 1);
  useEffect(() => {
    const ended = new AbortController();
    const { signal } = ended;
    let again: ReturnType<typeof setTimeout> | undefined;
    readLog(client, { jobId, execution, isLive }, signal, (whole) => {
      setError(null);
      // A log only grows. What is shown stays until the new read has come as far.
      setText((before = "") => (whole.length < before.length ? before : whole));
    }).catch((thrown: unknown) => {
      if (signal.aborted) return;
      setError(thrown);
      if (isJobServiceError(thrown) && thrown.retryable) again = setTimeout(read, AGAIN_AFTER_MS);
    });
    return () => {
      ended.abort();
      clearTimeout(again);
    };
  }, [client, jobId, execution, isLive, tries]);
  return { text, error, read };
}

/** Shows the log from its beginning; that of a running start again with each piece. */
async function readLog(
  { monitoring }: JobServiceClient,
  { jobId, execution, isLive }: StartLogProps,
  signal: AbortSignal,
  show: (whole: string) => void,
): Promise<void> {
  if (!isLive) {
    show(await monitoring.getLog(jobId, { execution, signal }));
    return;
  }
  // Something is shown when the API answers, also of a log that is empty.
  await monitoring.getJob(jobId, { signal });
  let whole = "";
  show(whole);
  for await (const piece of monitoring.followLog(jobId, { execution, signal })) {
    whole += piece;
    show(whole);
  }
}
