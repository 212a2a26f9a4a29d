/**
 * What `jobyard dev` tells: the state of each package, and what becomes of its jobs. One line of JSON each with `--json`,
 * and text for people otherwise.
 */
import type { JobEvents, JobView } from "../../client/index.ts";
import { printable } from "../../core/text.ts";
import { wrapped } from "../../local/demo/report.ts";
import { counted, showDuration, showState } from "../command.ts";
import type { Terminal } from "../terminal.ts";
import { clickable, frameAt, placesIn, showPlace, type SourcePlace } from "./code-frame.ts";

export interface Problem {
  readonly message: string;
  readonly place?: SourcePlace | undefined;
}

export type DevEvent =
  | {
      readonly eventType: "packagePublished";
      readonly packageName: string;
      readonly sha256: string;
      readonly jobTypes: readonly string[];
      readonly warnings: readonly string[];
      /** Milliseconds from the save to its notice; undefined for the first version. */
      readonly watchMs: number | undefined;
      readonly packMs: number;
      readonly publishMs: number;
    }
  | { readonly eventType: "packageUnchanged"; readonly packageName: string }
  | {
      readonly eventType: "packageFailed";
      readonly folder: string;
      readonly problems: readonly Problem[];
      /** The version that jobs still run; undefined: there is none. */
      readonly sha256: string | undefined;
    }
  | { readonly eventType: "typesChecked"; readonly folder: string; readonly errors: readonly Problem[] }
  | (JobLine & { readonly eventType: "jobLog"; readonly source: string; readonly text: string })
  | JobHappened;

interface JobLine extends Pick<JobView, "jobId" | "jobType" | "jobName"> {
  /** The package's folder. */
  readonly folder: string;
  /** Other jobs run, too. */
  readonly isOneOfMany: boolean;
}

/** An event of a job, with its row where that has more. */
export interface JobHappened {
  readonly eventType: "job";
  readonly event: JobEvents[keyof JobEvents & `job${string}`];
  readonly folder: string;
  readonly isOneOfMany: boolean;
  /** At the end of an attempt. */
  readonly job?: JobView | undefined;
}

/** The events of jobs are those of `jobyard events --json`, with output and whole failure. */
export function asJson(event: DevEvent): object {
  switch (event.eventType) {
    case "job": {
      const { output, failure } = event.job ?? {};
      return { ...event.event, ...(output !== undefined && { output }), ...(failure !== undefined && { failure }) };
    }
    case "jobLog": {
      const { isOneOfMany: _, folder: __, ...rest } = event;
      return rest;
    }
    case "packagePublished":
    case "packageUnchanged":
    case "packageFailed":
    case "typesChecked":
      return event;
  }
}

export interface TextDeps extends Pick<Terminal, "paint" | "columns"> {
  readonly cwd: string;
}

/** Undefined: nothing to show. */
export function asText(event: DevEvent, deps: TextDeps): string | undefined {
  const { paint } = deps;
  switch (event.eventType) {
    case "packagePublished": {
      const { packageName, sha256, warnings, watchMs = 0, packMs, publishMs } = event;
      const seconds = ((watchMs + packMs + publishMs) / 1_000).toFixed(1);
      return [
        `${paint("green", "✓")} ${paint("bold", packageName)} published in ${seconds} s, version ${shortHash(sha256)}`,
        ...warnings.map((warning) => `  ${paint("yellow", "Warning:")} ${warning}`),
      ].join("\n");
    }
    case "packageUnchanged":
      return paint("dim", `  ${event.packageName} is the same as before`);
    case "packageFailed": {
      const { folder, problems, sha256 } = event;
      const rest = sha256 === undefined ? "Nothing of it runs yet." : `Jobs go on to run version ${shortHash(sha256)}.`;
      return [
        `${paint("red", "✗")} ${paint("bold", lastOf(folder))} was not published. ${rest}`,
        ...problems.flatMap((problem) => showProblem(problem, deps)),
      ].join("\n");
    }
    case "typesChecked":
      return showTypes(event.folder, event.errors, deps);
    case "jobLog":
      return showLog(event, deps);
    case "job":
      return showJob(event, deps);
  }
}

const shortHash = (sha256: string): string => sha256.slice(0, 8);
/** Broken at words to fit the terminal. */
const indented = (text: string, { columns }: TextDeps): string =>
  wrapped(text, columns - INDENT.length).replaceAll(/^/gm, INDENT);
const INDENT = "  ";
const lastOf = (path: string): string => path.split("/").at(-1) ?? path;

function showProblem({ message, place }: Problem, deps: TextDeps): readonly string[] {
  if (place === undefined) return [indented(message, deps)];
  return [`  ${deps.paint("cyan", showPlace(place, deps.cwd))}`, indented(message, deps), ...frameAt(place, deps)];
}

/** More errors than a screen has room for are counted. */
const TYPE_ERRORS_SHOWN = 5;

function showTypes(folder: string, errors: readonly Problem[], deps: TextDeps): string {
  const { paint } = deps;
  const name = paint("bold", lastOf(folder));
  if (errors.length === 0) return `${paint("green", "✓")} ${name} has no type errors any more`;
  const rest = errors.length - TYPE_ERRORS_SHOWN;
  return [
    `${paint("yellow", "!")} ${name} has ${counted(errors.length, "type error")}. Types alone do not hold up a version.`,
    ...errors
      .slice(0, TYPE_ERRORS_SHOWN)
      .flatMap(({ message, place }) => [
        ...(place === undefined ? [] : [`  ${paint("cyan", showPlace(place, deps.cwd))}`]),
        indented(message, deps),
      ]),
    ...(rest > 0 ? [`  … and ${rest} more`] : []),
  ].join("\n");
}

function showLog(
  { jobType, jobName, folder, isOneOfMany, source, text }: Extract<DevEvent, { eventType: "jobLog" }>,
  deps: TextDeps,
): string | undefined {
  const { paint, cwd } = deps;
  const label = isOneOfMany ? paint("dim", `${nameOf({ jobType, jobName })} `) : "";
  const line = clickable(text, { folder, cwd });
  // The end of the attempt says it too.
  if (source === "sys" && /^[A-Z]\w+: /.test(text) && !text.startsWith("Interrupted: ")) return undefined;
  const style = source === "err" ? "red" : source === "sys" ? "yellow" : undefined;
  return `  ${paint("dim", "│")} ${label}${style === undefined ? line : paint(style, printable(line))}`;
}

function showJob({ event, folder, job }: JobHappened, deps: TextDeps): string | undefined {
  const { paint } = deps;
  const name = paint("bold", nameOf(event));
  switch (event.eventType) {
    case "jobQueued":
      return event.runAt === undefined ? undefined : `  ${name} waits until ${event.runAt}`;
    case "jobStarted":
      return `${paint("cyan", "▶")} ${name}${event.attempt > 1 ? `, attempt ${event.attempt}` : ""} ${paint("dim", event.jobId)}`;
    case "jobProgressed": {
      const { fraction, text = "" } = event.progress;
      const share = fraction === undefined ? "" : `${Math.round(fraction * 100)}% `;
      return paint("cyan", `  ${share}${text}`);
    }
    case "jobRetrying":
      return [
        `${paint("yellow", "↩")} ${name} ${event.because === "failure" ? "failed and runs again" : "was interrupted and runs again"}`,
        ...showFailure(job?.failure ?? event.failure, folder, deps),
      ].join("\n");
    case "jobCompleted": {
      const mark = event.status === "succeeded" ? paint("green", "✓") : paint("red", "✗");
      const took = job?.startedAt === undefined ? "" : ` in ${showDuration(job.startedAt, job.endedAt)}`;
      const output = job?.output === undefined ? "" : `  ${JSON.stringify(job.output)}`;
      return [
        `${mark} ${name} ${showState(deps, event.status)}${took}${output}`,
        ...showFailure(job?.failure ?? event.failure, folder, deps),
      ].join("\n");
    }
  }
}

/** A job without a name of its own has that of its type. */
const nameOf = ({ jobType, jobName }: { readonly jobType: string; readonly jobName: string }): string =>
  jobName === jobType ? jobType : `${jobType} ${jobName}`;

interface ShownFailure {
  readonly code: string;
  readonly message: string;
  readonly stack?: string | undefined;
}

/** The message, the frames of the author's code, and the lines around the first one. */
function showFailure(failure: ShownFailure | undefined, folder: string, deps: TextDeps): readonly string[] {
  if (failure === undefined) return [];
  const { code, message, stack = "" } = failure;
  const [place] = placesIn(`${message}\n${stack}`, folder);
  return [
    indented(`${code}: ${message}`, deps),
    ...(stack === ""
      ? []
      : clickable(stack, { folder, cwd: deps.cwd })
          .split("\n")
          .map((line) => `    ${line}`)),
    ...(place === undefined ? [] : frameAt(place, deps)),
  ];
}
