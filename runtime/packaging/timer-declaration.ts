/** Reads one call of `scalableTimerJob`: when the timer ticks and what its runs are like, without running anything. */
import { posix } from "node:path";
import type ts from "typescript";
import {
  TIMER_NAME_RULE,
  cronSchema,
  graceSecondsSchema,
  misfireSchema,
  overlapSchema,
  poolSchema,
  prioritySchema,
  runOnDeploySchema,
  timerNameSchema,
} from "../core/manifest-timers.ts";
import type { ManifestTimer } from "../core/manifest.ts";
import { scheduleWarnings } from "../core/schedule/schedule-warnings.ts";
import { type JobDeclaration, readExecution } from "./declaration.ts";
import { type DeclarationScan, type Options, readOptions, withoutGaps } from "./options.ts";
import type { SourcePosition } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";
import { timeZoneSchema } from "./time-zones.ts";

export interface TimerDeclaration {
  readonly timer: ManifestTimer;
  /** Its runs are jobs of a type of the same name. */
  readonly job: JobDeclaration;
  readonly position: SourcePosition;
}

/** Undefined when the declaration cannot be used; `problems` says why. */
export function readTimerDeclaration(
  module: SourceModule,
  call: ts.CallExpression,
  exportName: string,
  scan: DeclarationScan,
): TimerDeclaration | undefined {
  const options = readOptions(module, call, { functionName: "scalableTimerJob", what: "timer" }, scan);
  if (options === undefined) return undefined;
  const position = positionOf(module, call);
  const refuse = (message: string, node: ts.Node): void =>
    void scan.problems.push({ message, position: positionOf(module, node) });
  if (call.arguments.length < 2)
    refuse("A timer has a function to run: scalableTimerJob({ … }, async (ctx) => { … }).", call);

  const timerName = options.has("name")
    ? options.constant("name", timerNameSchema)
    : nameOfExport(module, exportName, (message) => refuse(message, call));
  const cron = options.constant("cron", cronSchema);
  if (!options.has("cron")) refuse("This timer has no cron.", options.node);
  const others = readTimerOptions(options);
  const execution = readExecution(options);
  options.refuseUnknown([]);
  if (cron !== undefined) {
    const at = positionOf(module, options.nodeOf("cron"));
    for (const message of scheduleWarnings({ cron, ...others })) scan.warnings.push({ message, position: at });
  }
  if (timerName === undefined || cron === undefined) return undefined;
  return {
    timer: { timerName, cron, ...others },
    job: { jobType: timerName, ...execution, file: module.file, exportName, position },
    position,
  };
}

const readTimerOptions = (options: Options): Partial<Omit<ManifestTimer, "timerName" | "cron">> =>
  withoutGaps({
    timeZone: options.constant("timeZone", timeZoneSchema),
    misfire: options.constant("misfire", misfireSchema),
    overlap: options.constant("overlap", overlapSchema),
    graceSeconds: options.constant("graceSeconds", graceSecondsSchema),
    runOnDeploy: options.constant("runOnDeploy", runOnDeploySchema),
    pool: options.constant("pool", poolSchema),
    priority: options.constant("priority", prioritySchema),
  });

/** A timer goes by its export; one that is the default, by its file. */
function nameOfExport(
  { file }: SourceModule,
  exportName: string,
  refuse: (message: string) => void,
): string | undefined {
  const name = exportName === "default" ? posix.basename(file, posix.extname(file)) : exportName;
  if (timerNameSchema.safeParse(name).success) return name;
  const source = exportName === "default" ? "file" : "export";
  refuse(
    `The name of this ${source}, ${JSON.stringify(name)}, cannot name a timer (${TIMER_NAME_RULE}); give it a name of its own: name: "…".`,
  );
  return undefined;
}
