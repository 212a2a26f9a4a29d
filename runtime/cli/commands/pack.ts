/** `jobyard pack <directory>`: makes a package, and prints its contents and the next ticks of its timers. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { ManifestJob, ManifestTimer, PackagePlatform } from "../../core/package/manifest.ts";
import { parseSchedule } from "../../core/schedule/schedule.ts";
import type { PackResult } from "../../package/build/pack.ts";
import { show, showBytes } from "../command.ts";
import type { Surroundings } from "../terminal.ts";

interface PackOptions {
  readonly out?: string;
  readonly os: string;
  readonly arch: string;
  readonly libc: "glibc" | "musl";
  readonly json?: true;
}

const NEXT_COUNT = 3;

export async function pack(options: PackOptions, { terminal }: Surroundings, directory: string): Promise<void> {
  // Loaded here, because loading the compiler takes longer than other commands run.
  const { packPackage } = await import("../../package/build/pack.ts");
  const result = await packPackage({ directory, target: targetOf(options) });
  const file = options.out ?? join(directory, "dist", `${result.manifest.name}.zip`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, result.zip);
  for (const warning of result.warnings) terminal.error(`Warning: ${warning}`);
  const timers = (result.manifest.timers ?? []).map((timer) => ({
    ...timer,
    next: nextOccurrences(timer, new Date(), NEXT_COUNT),
  }));
  show(terminal, options, asJson(file, result, timers), () => asText(file, result, timers));
}

const targetOf = ({ os, arch, libc }: PackOptions): PackagePlatform =>
  os === "linux" ? { os, arch, libc } : { os, arch };

interface TimerWithNext extends ManifestTimer {
  readonly next: readonly Date[];
}

const asJson = (
  file: string,
  { manifest, zip, sha256, fileCount, warnings }: PackResult,
  timers: readonly TimerWithNext[],
) => ({
  ...{ file, bytes: zip.length, sha256, fileCount, warnings, manifest },
  timers: timers.map(({ timerName, next }) => ({ timerName, next })),
});

function asText(
  file: string,
  { manifest, zip, sha256, fileCount }: PackResult,
  timers: readonly TimerWithNext[],
): string {
  const { name, version, platform, jobs } = manifest;
  const width = Math.max(...jobs.map(({ jobType }) => jobType.length));
  return [
    `${name}${version === undefined ? "" : ` ${version}`} → ${relative(".", file)}`,
    `  ${showBytes(zip.length)} in ${fileCount} files, for ${showPlatform(platform)}`,
    `  sha256 ${sha256}`,
    ...jobs.map((job) => `  job ${job.jobType.padEnd(width)}  ${showEntry(job)}`),
    ...timers.flatMap(showTimer),
  ].join("\n");
}

const showTimer = ({ timerName, cron, timeZone = "UTC", next }: TimerWithNext): readonly string[] => [
  `  timer ${timerName}  ${cron}  ${timeZone}`,
  `    next ${next.map((tick) => showLocal(tick, timeZone)).join(", ")}`,
];

const showPlatform = (platform: PackagePlatform | "any"): string =>
  platform === "any" ? "any platform" : [platform.os, platform.arch, platform.libc].filter(Boolean).join("-");

const showEntry = ({ entry }: ManifestJob): string =>
  entry.kind === "module" ? entry.file : [entry.command, ...(entry.args ?? [])].join(" ");

/** The next ticks after a moment; fewer if there are no more within 40 years. */
export function nextOccurrences(timer: Pick<ManifestTimer, "cron" | "timeZone">, after: Date, count: number): Date[] {
  const schedule = parseSchedule(timer);
  const found: Date[] = [];
  for (let tick = schedule.next(after); tick !== undefined && found.length < count; tick = schedule.next(tick)) {
    found.push(tick);
  }
  return found;
}

/** 2030-01-31 08:00:00, in the local time of a zone. */
export const showLocal = (instant: Date, timeZone = "UTC"): string =>
  // The Swedish locale writes dates as ISO 8601 does.
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(instant);
