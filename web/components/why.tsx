/** Why a job is in its state: the rule that led there, and what each next event would make of it, by the same functions as the worker's. */
import type { JobView } from "../../runtime/client/index.ts";
import { explain } from "../../runtime/core/job/explain.ts";
import { shownState } from "./state-mark.tsx";
import { counted } from "./time-text.ts";

export function Why({ job, now }: { readonly job: JobView; readonly now: number }) {
  const { state, attempts, interruptions, cancelWanted, runAt, failure } = job;
  const { why, rule, next } = explain(
    {
      ...{ state, attempts, interruptions, cancelWanted, failure },
      runAt: runAt === undefined ? undefined : Date.parse(runAt),
      waitsFor: job.waitsFor,
      workerId: job.workerId ?? job.history.at(-1)?.workerId,
    },
    now,
  );
  return (
    <section className="why" data-s={shownState(job, now)} aria-label="Why it is in this state">
      <p>
        <b>Why is it {shownState(job, now)}?</b> {why}
      </p>
      <div className="rule">
        <span>Protocol: {rule}</span>
        <span>started {counted(job.history.length, "time")}</span>
        {interruptions === 0 ? null : <span>{interruptions} interrupted</span>}
      </div>
      <details>
        <summary className="muted small">What can change it</summary>
        <table className="next">
          <tbody>
            {next.map(({ event, outcome, rule: of }) => (
              <tr key={event}>
                <th scope="row">{event}</th>
                <td>{outcome}</td>
                <td className="muted">{of}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
