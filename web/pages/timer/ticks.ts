/** What became of the ticks of a timer, read from its runs, and how clocks change between its next ticks. */
import { zoneOf } from "../../../runtime/core/schedule/zone.ts";
import type { JobView } from "../../../runtime/client/index.ts";
import type { ShownState } from "../../components/state-mark.tsx";

export interface Tick {
  readonly jobId: string;
  /** When it was due, or asked for. */
  readonly at: string;
  /** `ran`, `late, failed`, `skipped`, … */
  readonly word: string;
  readonly mark: ShownState;
  /** Ticks without a run of their own, for which this run stands. */
  readonly missedCount: number;
}

interface Trigger {
  readonly trigger?: unknown;
  readonly scheduledAt?: unknown;
  readonly missedCount?: unknown;
}

export function tickOf(job: JobView, graceSeconds: number): Tick {
  const { trigger, scheduledAt, missedCount } = (job.parameters ?? {}) as Trigger;
  const at = typeof scheduledAt === "string" ? scheduledAt : job.submittedAt;
  const first = job.history[0]?.startedAt ?? job.startedAt;
  const isLate =
    trigger === "schedule" && first !== undefined && Date.parse(first) - Date.parse(at) > graceSeconds * 1_000;
  const { word, mark } = resultOf(job);
  const cause = trigger === "manual" ? ", run by hand" : trigger === "deploy" ? ", run at publishing" : "";
  return {
    jobId: job.jobId,
    at,
    word: `${isLate ? "late, " : ""}${word}${cause}`,
    mark: isLate && mark === "succeeded" ? "delayed" : mark,
    missedCount: typeof missedCount === "number" ? missedCount : 0,
  };
}

function resultOf({ state, failure }: JobView): { readonly word: string; readonly mark: ShownState } {
  if (failure?.code === "TimerSkipped") return { word: "skipped", mark: "queued" };
  if (failure?.code === "TimerMissed") return { word: "missed", mark: "canceled" };
  return state === "succeeded"
    ? { word: "ran", mark: state }
    : state === "queued"
      ? { word: "waits to run", mark: "running" }
      : { word: state, mark: state };
}

/** The ticks of one day in the timer's time zone. */
export interface Day {
  readonly title: string;
  readonly ticks: readonly Date[];
  /** The clocks have changed since the tick before. */
  readonly change: string | undefined;
}

export function daysOf(ticks: readonly Date[], timeZone: string): readonly Day[] {
  const dayText = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  const days = Map.groupBy(ticks, (tick) => dayText.format(tick));
  let before: Date | undefined;
  return [...days].map(([title, ones]) => {
    const last = ones.at(-1);
    const change = before && last && changeBetween(before, last, timeZone);
    before = last ?? before;
    return { title, ticks: ones, change };
  });
}

const HOUR_MS = 3_600_000;

/** How the clocks change between two instants, in words. */
function changeBetween(from: Date, to: Date, timeZone: string): string | undefined {
  const zone = zoneOf(timeZone);
  const byMs = zone.stretchAt(to.getTime()).offsetMs - zone.stretchAt(from.getTime()).offsetMs;
  if (byMs === 0) return undefined;
  const hours = Math.abs(byMs) / HOUR_MS;
  return `clocks go ${byMs > 0 ? "forward" : "back"} ${hours} h`;
}

/** The time of day, with the distance from UTC where the clocks have changed that day. */
export const timeInZone = (at: Date, timeZone: string, withOffset = false): string =>
  new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    second: at.getUTCSeconds() === 0 ? undefined : "2-digit",
    timeZoneName: withOffset ? "shortOffset" : undefined,
  }).format(at);
