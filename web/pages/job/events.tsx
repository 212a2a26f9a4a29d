/** The events of a job: what its row tells, and its progress from the moment on that this tab is shown. */
import { useCallback, useState } from "react";
import { CliLine, shellWord } from "../../components/copy.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { clockText, localText, utcText } from "../../components/time-text.ts";
import { useEvents } from "../../data/live.ts";
import type { SystemEvent } from "../../../runtime/core/job/events.ts";
import type { JobView } from "../../../runtime/client/index.ts";
import { eventsOf, type JobEvent } from "./job-events.ts";

/** Older progress is forgotten. */
const PROGRESS_MAX = 200;

export function JobEvents({ job }: { readonly job: JobView }) {
  const progress = useProgress(job.jobId);
  const events = [...eventsOf(job), ...progress].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return (
    <div className="stack">
      <div className="panel">
        <table className="plain events-of-job">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Event</th>
              <th scope="col">Detail</th>
            </tr>
          </thead>
          <tbody>
            {events.map(({ at, state, word, detail }, index) => (
              <tr key={index}>
                <td>
                  <time dateTime={at} title={`${localText(Date.parse(at))}\n${utcText(Date.parse(at))}`}>
                    {clockText(Date.parse(at))}
                  </time>
                </td>
                <td className="still">
                  <StateMark state={state} word={word} />
                </td>
                <td className="muted">{detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="muted small">
        Starts and ends are kept with the job, the latest 100. Progress is listed while this tab is open.
      </p>
      <CliLine line={`jobyard events ${shellWord(job.jobId)}`} />
    </div>
  );
}

function useProgress(jobId: string): readonly JobEvent[] {
  const [seen, setSeen] = useState<readonly JobEvent[]>([]);
  useEvents(
    useCallback(
      (event: SystemEvent) => {
        if (event.eventType !== "jobProgressed" || event.jobId !== jobId) return;
        const { fraction, text = "" } = event.progress;
        const part = fraction === undefined ? "" : `${Math.round(fraction * 100)} % `;
        const one: JobEvent = { at: event.at, state: "running", word: "progress", detail: `${part}${text}` };
        setSeen((all) => [...all, one].slice(-PROGRESS_MAX));
      },
      [jobId],
    ),
  );
  return seen;
}
