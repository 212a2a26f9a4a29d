/** Rules for starts per time, from the times that rates have given. */
import type { RateLimit } from "../../../../runtime/core/admission/limit.ts";
import type { History, JobChange } from "../replay.ts";
import { isStart } from "../run-facts.ts";
import type { ControlFacts } from "./facts.ts";

/** More times of a rate in a span than may be, and starts that come before their times or without one. */
export function overRate({ changes }: History, { limits, lines }: ControlFacts): string[] {
  const given = new Map<string, { readonly jobType: string; readonly times: Map<number, number> }>();
  for (const { line, jobType, taken } of lines.taken) {
    const known = given.get(line) ?? { jobType, times: new Map<number, number>() };
    given.set(line, known);
    for (const [at, count] of taken) known.times.set(at, Math.max(count, known.times.get(at) ?? 0));
  }
  const tooMany = [...given].flatMap(([line, { jobType, times }]) => {
    const rate = limits[jobType]?.rate;
    if (rate === undefined) return [];
    return spansOver(times, rate).map((text) => `${jobType} (${line.slice(0, LINE_TEXT)}): ${text}`);
  });
  return [...tooMany, ...startsWithoutTime(changes, given, limits)];
}

const LINE_TEXT = 20;

function spansOver(times: ReadonlyMap<number, number>, { max, perSeconds }: RateLimit): readonly string[] {
  const sorted = [...times].toSorted(([a], [b]) => a - b);
  return sorted.flatMap(([from]) => {
    const inSpan = sorted.filter(([at]) => at >= from && at < from + 1_000 * perSeconds);
    const count = inSpan.reduce((sum, [, starts]) => sum + starts, 0);
    return count > max ? [`${count} times within ${perSeconds} s from ${from}; ${max} may be`] : [];
  });
}

/** Starts of a type, over all its keys and tenants, are never more than the times that have come. */
function startsWithoutTime(
  changes: readonly JobChange[],
  given: ReadonlyMap<string, { readonly jobType: string; readonly times: ReadonlyMap<number, number> }>,
  limits: ControlFacts["limits"],
): readonly string[] {
  return Object.keys(limits).flatMap((jobType) => {
    if (limits[jobType]?.rate === undefined) return [];
    const times = [...given.values()]
      .filter((one) => one.jobType === jobType)
      .flatMap((one) => [...one.times].flatMap(([at, count]) => Array<number>(count).fill(at)))
      .toSorted((a, b) => a - b);
    const starts = changes.filter((change) => change.before?.state === "queued" && isStart(change));
    return starts
      .filter(({ after }) => after.jobType === jobType)
      .flatMap(({ jobId, at }, index) => {
        const time = times[index] ?? Infinity;
        // The broker's clock rounds times up, by a hundredth of the span at most.
        return time <= at + RATE_SLACK_MS ? [] : [`${jobId} was started before its time, or without one`];
      });
  });
}

const RATE_SLACK_MS = 100;
