/** Runs a Node module of a package in a child host of its own. */
import type { ModuleEntry } from "../../../core/package/manifest.ts";
import type { InspectSettings } from "../../../core/settings/worker-settings.ts";
import { captureOutput } from "../log/captured-output.ts";
import type { ChildPool } from "./child-pool.ts";
import { jobEnvironment } from "../environment.ts";
import { endHostChild } from "./host-child.ts";
import type { InspectCommand } from "../host/messages.ts";
import { createJobReports } from "./job-reports.ts";
import { type Run, type RunListener, crashed, createHeapErrorReader, failed } from "../run.ts";
import type { OwnProcessSpec } from "../spec.ts";

export interface ModuleContext {
  readonly children: ChildPool;
  readonly listener: RunListener;
  readonly signal: AbortSignal;
  readonly inspect?: InspectSettings | undefined;
}

/** Throws LaunchError, or the signal's reason if it fires before the job was handed over. */
export async function startModule(
  spec: OwnProcessSpec,
  entry: ModuleEntry,
  { children, listener, signal, inspect }: ModuleContext,
): Promise<Run> {
  const child = await children.take(signal);
  const { process, channel, listen } = child;
  try {
    await spec.workspace.handOver(process.lease);
    signal.throwIfAborted();
  } catch (error) {
    await endHostChild(child);
    throw error;
  }
  const reports = createJobReports(listener, (request, answer) =>
    channel.send({ type: "token", id: 0, request, answer }),
  );
  const heap = createHeapErrorReader();
  let problem: string | undefined;

  listen({
    report: (report) => reports.take(report),
    broken(what) {
      problem = what;
      process.signal("SIGKILL");
    },
  });
  const printed = captureOutput(process, {
    line(source, line) {
      if (source === "err") heap.read(line);
      listener.line(source, line);
    },
    printed: listener.alive,
  });
  channel.send({
    type: "run",
    id: 0,
    job: spec.job,
    file: entry.file,
    ...(entry.export === undefined ? {} : { export: entry.export }),
    packagePath: spec.packagePath,
    workingPath: spec.workspace.workingPath,
    outputPath: spec.workspace.outputPath,
    ...(spec.settings && { settings: spec.settings.values }),
    environment: jobEnvironment(spec),
    ...(inspect === undefined ? {} : { inspect: inspectCommand(inspect, spec.job.jobProcessorPackageName) }),
  });

  return {
    pid: process.pid,
    tree: process.tree,
    endReported: reports.ended,
    finished: process.exit,
    drained: Promise.all([printed, channel.closed]).then(() => undefined),
    stop: (reason) => channel.send({ type: "stop", id: 0, reason }),
    clear: () => process.clear(),
    async conclude() {
      const end = reports.end();
      if (end !== undefined) return { ...end, reported: true };
      const exit = await process.exit;
      const ended =
        problem === undefined
          ? (heap.exhausted(exit) ?? crashed(exit))
          : failed("JobCrashed", `The job's process sent ${problem}.`, true);
      return { ended, reported: false, stopping: false };
    },
    destroy() {
      channel.destroy();
      process.closePipes();
    },
  };
}

const inspectCommand = ({ port, sources }: InspectSettings, packageName: string): InspectCommand => {
  const folder = sources[packageName];
  return { port, ...(folder === undefined ? {} : { sourceFolder: folder }) };
};
