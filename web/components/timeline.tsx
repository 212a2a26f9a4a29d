/** What happened to a job, drawn to scale: waiting as hatched bars, each start as a full one with how it ended. */
import type { JobView } from "../../runtime/client/index.ts";
import { clockText, durationText } from "./time-text.ts";

interface Lane {
  readonly id: string;
  readonly title: string;
  readonly kind: "wait" | "run";
  readonly from: number;
  readonly to: number;
  /** How a start ended. */
  readonly state?: string;
  readonly where?: string;
  readonly end?: string;
}

/** More starts than these would be a page of their own; the first and the last ones say the most. */
const LANES_MAX = 40;
const TICKS = 4;
/** In the state's colour. */
const STATE_OF: Readonly<Record<string, string>> = { interrupted: "canceled" };

export function Timeline({ job, now }: { readonly job: JobView; readonly now: number }) {
  const all = lanesOf(job, now);
  const lanes = all.length > LANES_MAX ? [...all.slice(0, LANES_MAX / 2), ...all.slice(-LANES_MAX / 2)] : all;
  const from = Date.parse(job.submittedAt);
  const to = Math.max(from + 1, ...lanes.map((lane) => lane.to));
  const at = (time: number): string => `${((time - from) / (to - from)) * 100}%`;
  return (
    <section className="lanes" aria-label="Timeline">
      <div className="lane axis" aria-hidden="true">
        <span />
        <span className="track">
          {Array.from({ length: TICKS + 1 }, (_, index) => (
            <span key={index} style={{ left: `${(index / TICKS) * 100}%` }}>
              {index === 0 ? clockText(from) : `+${durationText(((to - from) / TICKS) * index)}`}
            </span>
          ))}
        </span>
        <span />
      </div>
      {lanes.map((lane) => (
        <div className="lane" key={lane.id} data-s={lane.state}>
          <span className="l">{lane.title}</span>
          <span className="track" title={`${clockText(lane.from)} – ${clockText(lane.to)}`}>
            <i
              className={lane.kind}
              style={{ left: at(lane.from), width: `calc(${at(lane.to)} - ${at(lane.from)})` }}
            />
          </span>
          <span className="r">
            {lane.where === undefined ? "" : `${lane.where} · `}
            {durationText(lane.to - lane.from)} {lane.end === undefined ? null : <b>{lane.end}</b>}
          </span>
        </div>
      ))}
      {all.length > lanes.length ? (
        <p className="muted small">{all.length - lanes.length} lanes are left out.</p>
      ) : null}
    </section>
  );
}

/** In order, without gaps: each start, and the time before it. */
function lanesOf({ submittedAt, runAt, history, state, endedAt }: JobView, now: number): readonly Lane[] {
  const lanes: Lane[] = [];
  let before = Date.parse(submittedAt);
  const wait = (until: number, last?: string): void => {
    if (until <= before) return;
    const title = lanes.length === 0 ? "waiting" : last === "failed" ? "backoff" : "waiting";
    lanes.push({ id: `wait-${lanes.length}`, title, kind: "wait", from: before, to: until });
  };
  let last: string | undefined;
  for (const [index, entry] of history.entries()) {
    const start = Date.parse(entry.startedAt);
    wait(start, last);
    // Without an end its worker died: then the next start shows when that was noticed.
    const next = history[index + 1]?.startedAt;
    const isLast = next === undefined;
    const end = entry.endedAt ?? next ?? (state === "running" ? undefined : endedAt);
    const to = end === undefined ? now : Date.parse(end);
    const isRunning = isLast && state === "running";
    const outcome = entry.outcome ?? (isRunning ? "running" : "interrupted");
    lanes.push({
      id: `start-${entry.execution}`,
      title: `start ${entry.execution}`,
      kind: "run",
      from: start,
      to: Math.max(to, start),
      state: STATE_OF[outcome] ?? outcome,
      where: entry.workerId,
      end: entry.code === undefined ? outcome : `${outcome}: ${entry.code}`,
    });
    before = Math.max(to, start);
    last = outcome;
  }
  if (state === "queued") {
    const due = runAt === undefined ? 0 : Date.parse(runAt);
    if (due > now) {
      const title = last === undefined ? "delayed" : "backoff";
      lanes.push({ id: "due", title, kind: "wait", from: before, to: due, end: "until its time" });
    } else wait(now, last);
  } else if (history.length === 0 && endedAt !== undefined) {
    wait(Date.parse(endedAt));
  }
  return lanes;
}
