/** Runs a Node module of a package in a child host. */
import type { ModuleEntry } from "../../core/manifest.ts";
import { OUTPUT_MAX_BYTES } from "../../core/limits.ts";
import { captureOutput } from "./captured-output.ts";
import type { ChildPool } from "./child-pool.ts";
import { jobEnvironment } from "./environment.ts";
import type { EndReport } from "./host/messages.ts";
import { presentable } from "./progress.ts";
import { type Ended, type Run, type RunListener, crashed, failed, isJson } from "./run.ts";
import type { JobProcessSpec } from "./spec.ts";

/** Throws LaunchError, or the signal's reason if it fires before the job was handed over. */
export async function startModule(
  spec: JobProcessSpec,
  entry: ModuleEntry,
  { children, listener, signal }: { children: ChildPool; listener: RunListener; signal: AbortSignal },
): Promise<Run> {
  const { process, channel, listen } = await children.take(signal);
  const { promise: told, resolve: tell } = Promise.withResolvers<undefined>();
  let end: EndReport | undefined;
  let problem: string | undefined;

  listen({
    report(report) {
      switch (report.type) {
        case "ready":
          break;
        case "log":
          listener.line(report.source, report.text);
          break;
        case "progress": {
          const progress = presentable(report);
          if (progress !== undefined) listener.progress(progress);
          break;
        }
        case "returned":
        case "failed":
          // The first word counts.
          end ??= report;
          tell(undefined);
      }
    },
    broken(what) {
      problem = what;
      process.signal("SIGKILL");
    },
  });
  const printed = captureOutput(process.child, (source, line) => listener.line(source, line));
  channel.send({
    type: "run",
    job: spec.job,
    file: entry.file,
    ...(entry.export === undefined ? {} : { export: entry.export }),
    packagePath: spec.packagePath,
    workingPath: spec.workspace.workingPath,
    outputPath: spec.workspace.outputPath,
    environment: jobEnvironment(spec),
  });

  return {
    process,
    told,
    drained: Promise.all([printed, channel.closed]).then(() => undefined),
    stop: (reason) => channel.send({ type: "stop", reason }),
    conclude: (exit) => {
      if (end !== undefined) return Promise.resolve({ ended: endOf(end), told: true, stopping: end.stopping });
      const ended =
        problem === undefined ? crashed(exit) : failed("JobCrashed", `The job's process sent ${problem}.`, true);
      return Promise.resolve({ ended, told: false, stopping: false });
    },
    destroy() {
      channel.destroy();
      process.child.stdout?.destroy();
      process.child.stderr?.destroy();
    },
  };
}

/** The child is the job's, so its word about output is checked again. */
function endOf(report: EndReport): Ended {
  if (report.type === "failed") return failed(report.code, report.message, report.retryable);
  const { output } = report;
  if (output === undefined) return { kind: "succeeded", output };
  if (Buffer.byteLength(output) > OUTPUT_MAX_BYTES) {
    return failed("OutputTooLarge", `The output is larger than the ${OUTPUT_MAX_BYTES} bytes that are kept.`, false);
  }
  return isJson(output) ? { kind: "succeeded", output } : failed("JobFailed", "The output is not JSON.", false);
}
