/** The next ticks by day, in the timer's time zone. Days on which the clocks change are marked. */
import { ErrorNote, Shown } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { StateMark } from "../../components/state-mark.tsx";
import { localText, utcText } from "../../components/time-text.ts";
import { useNextTicks } from "../../data/timers.ts";
import type { TimerView } from "../../../runtime/client/index.ts";
import { daysOf, timeInZone } from "./ticks.ts";

/** Times of one day that are written out. */
const TIMES_MAX = 12;

export function NextTicks({ timer }: { readonly timer: TimerView }) {
  const { data, error, refetch } = useNextTicks(timer, timer);
  const note = { error, what: "The next ticks cannot be shown.", onRetry: () => void refetch() };
  if (data === undefined) return error === null ? <Ghost width={20} /> : <ErrorNote {...note} />;
  if (data.length === 0) return <p className="muted">Its schedule has no more ticks.</p>;
  const days = daysOf(data, timer.timeZone);
  return (
    <Shown {...note} isRead>
      {/* Scrollable, so it takes the focus. */}
      <div className="days lines" tabIndex={0} role="group" aria-label={`Next ticks, in ${timer.timeZone}`}>
        {days.map(({ title, ticks, change }, index) => (
          <div key={title} data-change={change !== undefined || undefined}>
            <span className="day">{title}</span>
            <span className="x">
              {ticks.slice(0, TIMES_MAX).map((tick) => (
                <time
                  key={tick.getTime()}
                  dateTime={tick.toISOString()}
                  title={`${localText(tick.getTime())} here\n${utcText(tick.getTime())}`}
                >
                  {timeInZone(tick, timer.timeZone, change !== undefined)}{" "}
                </time>
              ))}
              {ticks.length > TIMES_MAX ? (
                <span className="muted">
                  and {ticks.length - TIMES_MAX}
                  {index === days.length - 1 ? " or more" : ""}
                </span>
              ) : null}
            </span>
            {change === undefined ? null : <StateMark state="delayed" word={change} />}
          </div>
        ))}
      </div>
    </Shown>
  );
}
