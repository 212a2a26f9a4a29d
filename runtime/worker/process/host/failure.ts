/** Describes what a job has thrown: one line for users, everything for the log. Also why a job has to stop. */
import { inspect } from "node:util";
import { FAILURE_MESSAGE_MAX_LENGTH } from "../../../core/limits.ts";
import { isNonRetryable } from "../../../job-sdk/index.ts";
import type { Stop } from "../run.ts";
import type { HostEnd } from "./messages.ts";
import type { SourceLines } from "./source-lines.ts";

/** What a job is doing when something goes wrong, or when it never ends doing it. */
export type JobPhase = "loading" | "setup" | "run";

export interface ThrownFailure {
  readonly message: string;
  /** The frames of its stack, in lines of the source. */
  readonly stack: string | undefined;
  readonly retryable: boolean;
  /** With stack and causes; for the job's own log only. */
  readonly detail: string;
}

/** As it is when no package is known yet. */
const NO_SOURCES: Pick<SourceLines, "readable" | "framesOf"> = { readable: (text) => text, framesOf: () => undefined };

/** Reads hostile objects too: a getter that throws makes the message poorer and nothing else. */
export function describeThrown(thrown: unknown, sources = NO_SOURCES): ThrownFailure {
  const message = attempt(() => messageOf(thrown), "The job threw something that cannot be shown.");
  const detail = attempt(() => inspect(thrown, { depth: 4 }), "(cannot be shown)");
  return {
    message: readableOr(message.slice(0, FAILURE_MESSAGE_MAX_LENGTH), sources),
    stack: attempt(() => stackOf(thrown, sources), undefined),
    retryable: attempt(() => !isNonRetryable(thrown), true),
    detail: readableOr(detail, sources),
  };
}

const readableOr = (text: string, { readable }: typeof NO_SOURCES): string => attempt(() => readable(text), text);

/** The frames behind the message, which may look like frames too. */
function stackOf(thrown: unknown, { framesOf }: typeof NO_SOURCES): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { message } = thrown;
  const stack: unknown = thrown.stack;
  if (typeof stack !== "string" || typeof message !== "string") return undefined;
  const start = stack.indexOf(message);
  return framesOf(start === -1 ? stack : stack.slice(start + message.length));
}

/** What an uncaught error means for the job that caused it. */
export function uncaughtEnd(
  thrown: unknown,
  phase: JobPhase | undefined,
  sources?: SourceLines,
): { end: HostEnd; detail: string } {
  const { detail, ...failure } = describeThrown(thrown, sources);
  const end =
    phase === "loading"
      ? failedWith("EntryPointInvalid", {
          ...failure,
          message: `The package could not be loaded: ${failure.message}`,
          retryable: false,
        })
      : failedWith("JobFailed", failure);
  return { end, detail };
}

type HostFailed = Extract<HostEnd, { type: "failed" }>;

/** The end of a job that threw. */
export const failedWith = (
  code: HostFailed["code"],
  { message, stack, retryable }: Omit<ThrownFailure, "detail">,
): HostFailed => ({ type: "failed", code, message, ...(stack === undefined ? {} : { stack }), retryable });

const CAUSES_MAX_DEPTH = 5;
const ERRORS_MAX_COUNT = 5;

/**
 * "message", or "TypeError: message" where the name says more than that something went wrong, and behind it in brackets
 * what caused it: "fetch failed" alone does not help. Bounded, since causes may go in a circle.
 */
function messageOf(thrown: unknown, depth = 0): string {
  if (!(thrown instanceof Error))
    return typeof thrown === "string" ? thrown : `Thrown: ${inspect(thrown, { depth: 1 })}`;
  const own = ownMessage(thrown);
  if (depth === CAUSES_MAX_DEPTH) return own;
  const errors: readonly unknown[] = thrown instanceof AggregateError ? thrown.errors : [];
  const causes = thrown.cause === undefined ? errors : [thrown.cause, ...errors];
  const texts = causes.slice(0, ERRORS_MAX_COUNT).map((cause) => messageOf(cause, depth + 1));
  const news = [...new Set(texts)].filter((text) => !own.endsWith(text));
  if (causes.length > ERRORS_MAX_COUNT) news.push(`and ${causes.length - ERRORS_MAX_COUNT} more`);
  return news.length === 0 ? own : `${own} (${news.join("; ")})`;
}

function ownMessage({ name, message }: Error): string {
  if (message === "") return name;
  return name === "Error" || name === "NonRetryableError" ? message : `${name}: ${message}`;
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const MESSAGES: Readonly<Record<Stop, string>> = {
  cancel: "The job was canceled.",
  drain: "The worker shuts down; the job will run again elsewhere.",
  timeout: "The job has run longer than it may.",
  idle: "The job has shown no sign of life for longer than it may.",
  lost: "The job no longer belongs to this worker.",
};

/** What the job's abort signal says. */
export const stopReason = (reason: Stop): DOMException => new DOMException(MESSAGES[reason], "AbortError");
