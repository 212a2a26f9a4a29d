/** The timers in a package's manifest: those in the source, and those in `package.json`. */
import { didYouMean } from "../../core/text.ts";
import type { ManifestJob, ManifestTimer } from "../../core/package/manifest.ts";
import { scheduleWarnings } from "../../core/schedule/schedule-warnings.ts";
import type { PackageJson } from "./package-json.ts";
import { PackError, type PackProblem, showPosition } from "./problem.ts";
import type { ScanResult } from "./scan.ts";

/** Sorted by name. Throws PackError for duplicate names, and for timers that are not a job of the package. */
export function timersOf(json: PackageJson, scan: ScanResult): readonly ManifestTimer[] {
  const problems: PackProblem[] = [];
  const places = new Map<string, string>();
  const types = new Set([...scan.jobs, ...json.commands].map(({ jobType }) => jobType));

  const add = ({ timerName }: ManifestTimer, where: string, { position, prefix = "" }: Place): void => {
    const name = JSON.stringify(timerName);
    const earlier = places.get(timerName.toLowerCase());
    if (earlier === undefined) places.set(timerName.toLowerCase(), where);
    else {
      const message = `${prefix}Timer ${name} is declared already, at ${earlier}: names must not differ only in capitals.`;
      problems.push({ message, position });
    }
    if (types.has(timerName)) return;
    const known = [...types].sort().join(", ");
    problems.push({
      message: `${prefix}${name} is not a job type of this package${didYouMean(timerName, types)}, which has: ${known}.`,
      position,
    });
  };
  for (const { timer, position } of scan.timers) add(timer, showPosition(position), { position });
  json.timers.forEach((timer, index) => add(timer, inJson(index), { prefix: `${inJson(index)}: ` }));

  if (problems.length > 0) throw new PackError(problems);
  const timers = [...scan.timers.map(({ timer }) => timer), ...json.timers];
  return timers.sort((a, b) => (a.timerName < b.timerName ? -1 : 1));
}

interface Place {
  readonly position?: PackProblem["position"];
  readonly prefix?: string;
}

const inJson = (index: number): string => `package.json: jobyard.timers[${index}]`;

/** Warnings for timers in `package.json`. Those in the source are checked elsewhere. */
export const jsonTimerWarnings = ({ timers }: PackageJson): PackProblem[] =>
  timers.flatMap((timer, index) =>
    scheduleWarnings(timer).map((message) => ({ message: `${inJson(index)}.cron: ${message}` })),
  );

/**
 * By default a failed run of a timer is not tried again, because the next tick follows anyway, and a run that waits for its
 * next attempt would block that tick.
 */
export function withTimerRetry(job: ManifestJob, timers: readonly ManifestTimer[]): ManifestJob {
  if (job.retry !== undefined || !timers.some(({ timerName }) => timerName === job.jobType)) return job;
  return { ...job, retry: { maxAttempts: 1 } };
}
