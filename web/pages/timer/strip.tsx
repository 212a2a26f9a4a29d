/** The last ticks of a timer as a row of marks, oldest first. Each opens its run. */
import { Link } from "wouter";
import { jobHref } from "../../components/address.ts";
import { StateMark } from "../../components/state-mark.tsx";
import { localText } from "../../components/time-text.ts";
import type { Tick } from "./ticks.ts";

export function Strip({ ticks }: { readonly ticks: readonly Tick[] }) {
  const groups = Map.groupBy(ticks, ({ word }) => word);
  return (
    <div className="stack">
      <ol className="ticks" aria-label="Last ticks, oldest first">
        {ticks.toReversed().map(({ jobId, at, word, mark, missedCount }) => {
          const missed = missedCount === 0 ? "" : `, stands for ${missedCount} missed`;
          const text = `${localText(Date.parse(at))}: ${word}${missed}`;
          return (
            <li key={jobId} data-missed={missedCount > 0 || undefined}>
              <Link href={jobHref(jobId)} title={text} aria-label={text}>
                <StateMark state={mark} word="" />
              </Link>
            </li>
          );
        })}
      </ol>
      <div className="legend">
        {[...groups].map(([word, ones]) => (
          <StateMark key={word} state={ones[0]?.mark ?? "queued"} word={`${ones.length} ${word}`} />
        ))}
      </div>
    </div>
  );
}
