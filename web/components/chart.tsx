/** A chart of bars over time: how many ended well and how many failed in each span. */
import { clockText, numberText } from "./time-text.ts";

export interface ChartBar {
  /** Start of the span, in milliseconds since the epoch. */
  readonly at: number;
  readonly succeeded: number;
  readonly failed: number;
}

const [WIDTH, HEIGHT] = [480, 96];

export function BarChart({ bars, label }: { readonly bars: readonly ChartBar[]; readonly label: string }) {
  const most = Math.max(1, ...bars.map(({ succeeded, failed }) => succeeded + failed));
  const step = WIDTH / Math.max(1, bars.length);
  const scaled = (count: number): number => (count / most) * (HEIGHT - 4);
  const [succeeded, failed] = [sumOf(bars, "succeeded"), sumOf(bars, "failed")];
  return (
    <figure>
      <svg
        className="chart"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: ${numberText(succeeded)} succeeded, ${numberText(failed)} failed, at most ${numberText(most)} in one bar`}
      >
        <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        {bars.map((bar, index) => {
          const [good, bad] = [scaled(bar.succeeded), scaled(bar.failed)];
          const place = { x: index * step + step * 0.1, width: step * 0.8 };
          return (
            <g key={bar.at}>
              <title>{`${clockText(bar.at)}: ${bar.succeeded} succeeded, ${bar.failed} failed`}</title>
              <rect x={index * step} width={step} y="0" height={HEIGHT} fill="transparent" />
              <rect {...place} data-s="succeeded" y={HEIGHT - good} height={good} />
              <rect {...place} data-s="failed" y={HEIGHT - good - bad} height={bad} />
            </g>
          );
        })}
      </svg>
      <figcaption className="legend">
        <span>{bars[0] === undefined ? "" : clockText(bars[0].at)}</span>
        <span className="end">now</span>
      </figcaption>
    </figure>
  );
}

const sumOf = (bars: readonly ChartBar[], field: "succeeded" | "failed"): number =>
  bars.reduce((sum, bar) => sum + bar[field], 0);
