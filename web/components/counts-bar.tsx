/** The jobs of a batch by state, as one bar with its numbers. */
import type { BatchView, JobState } from "../../runtime/client/index.ts";
import { StateMark } from "./state-mark.tsx";
import { counted, numberText } from "./time-text.ts";

const ORDER: readonly JobState[] = ["succeeded", "running", "queued", "canceled", "failed"];

type Counts = NonNullable<BatchView["counts"]>;

export function CountsBar({
  counts,
  withNumbers = false,
}: {
  readonly counts: Counts;
  readonly withNumbers?: boolean;
}) {
  const present = ORDER.filter((state) => counts[state] > 0);
  const words = present.map((state) => `${numberText(counts[state])} ${state}`).join(", ");
  return (
    <div>
      <div className="counts" role="img" aria-label={words || "no jobs"} title={words || "no jobs"}>
        {present.map((state) => (
          <i key={state} data-s={state} style={{ flexGrow: counts[state] }} />
        ))}
      </div>
      {withNumbers ? (
        <div className="row" style={{ marginTop: 8, gap: "4px 16px" }}>
          {present.map((state) => (
            <StateMark key={state} state={state} word={`${numberText(counts[state])} ${state}`} />
          ))}
          <span className="muted">{counted(counts.total, "job")}</span>
        </div>
      ) : null}
    </div>
  );
}
