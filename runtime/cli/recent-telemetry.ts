/** Asks `npm start` on this machine for its telemetry of the last hour. */
import { dirname, join } from "node:path";
import { JobServiceError } from "../client/job-service-error.ts";
import { QUESTIONS, type StatsView, type TraceView } from "../local/telemetry/receiver.ts";
import { readTelemetryFile } from "../local/telemetry/telemetry-file.ts";
import { UsageError } from "./exit-codes.ts";
import { signInFile } from "./sign-in-file.ts";
import type { Surroundings } from "./terminal.ts";
import { DEFAULT_HOME } from "../local/launcher.ts";

export interface RecentTelemetry {
  /** Where programs of this machine send their telemetry. */
  readonly endpoint: string;
  stats(query: { readonly marks: number; readonly minutes: number | undefined }): Promise<StatsView>;
  trace(jobId: string): Promise<TraceView>;
}

const ANSWER_WITHIN_MS = 10_000;

/** Throws UsageError where no `npm start` keeps telemetry. Its questions throw NetworkFailed when it has ended. */
export async function recentTelemetry({ env, signal }: Pick<Surroundings, "env" | "signal">): Promise<RecentTelemetry> {
  const home = await homeOf(env);
  const file = await readTelemetryFile(home);
  if (file === undefined) {
    throw new UsageError(
      `No npm start is running in ${home}. Its telemetry is kept while it runs. Set JOBYARD_HOME if it uses another folder. ` +
        "For a deployed service, see docs/operate.md.",
    );
  }
  const { endpoint } = file;
  if (file.kind === "elsewhere") {
    throw new UsageError(
      `npm start sends its telemetry to ${endpoint}, as OTEL_EXPORTER_OTLP_ENDPOINT says. Look there.`,
    );
  }

  async function ask<T>(path: string, query: Readonly<Record<string, string>>): Promise<T> {
    const headers = { authorization: `Bearer ${file?.kind === "here" ? file.readKey : ""}` };
    const until = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    const response = await fetch(`${endpoint}${path}?${new URLSearchParams(query).toString()}`, {
      headers,
      signal: until,
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw gone(home, error);
    });
    // Another program may have the port now.
    if (!response.ok) throw gone(home, new Error(`Status ${response.status}`));
    return (await response.json()) as T;
  }

  return {
    endpoint,
    stats: ({ marks, minutes }) =>
      ask(QUESTIONS.stats, { marks: String(marks), ...(minutes !== undefined && { minutes: String(minutes) }) }),
    trace: (jobId) => ask(QUESTIONS.trace, { job: jobId }),
  };
}

const gone = (home: string, cause: unknown): JobServiceError =>
  new JobServiceError("NetworkFailed", `The npm start in ${home} does not respond. Check that it is running.`, {
    reason: "refused",
    cause,
  });

/** The folder of `npm start`: as named, or of the sign-in with `login --local`, or where `jobyard dev` looks for it. */
async function homeOf(env: Surroundings["env"]): Promise<string> {
  if (env["JOBYARD_HOME"]) return env["JOBYARD_HOME"];
  const { caFile } = (await signInFile(env).read()) ?? {};
  return caFile === undefined ? DEFAULT_HOME : join(dirname(caFile), "..");
}
