/**
 * Reads calls of `defineJob` and `scalableTimerJob` from the source, without running it. Their options are an object
 * literal whose values are constants.
 */
import { posix } from "node:path";
import ts from "typescript";
import type { z } from "zod";
import { DISPLAY_NAME_MAX_LENGTH } from "../../core/limits.ts";
import {
  fieldProblems,
  idleTimeoutSchema,
  isolationSchema,
  limitsSchema,
  memorySchema,
  oneLine,
  retrySchema,
  timeoutSchema,
} from "../../core/package/manifest-fields.ts";
import {
  TIMER_NAME_RULE,
  cronSchema,
  graceSecondsSchema,
  misfireSchema,
  overlapSchema,
  poolSchema,
  runOnDeploySchema,
  timerNameSchema,
} from "../../core/package/manifest-timers.ts";
import type { ManifestJob, ManifestTimer } from "../../core/package/manifest.ts";
import { scheduleWarnings } from "../../core/schedule/schedule-warnings.ts";
import { didYouMean } from "../../core/text.ts";
import { type Evaluate, NotConstant, propertyOf, unwrap } from "./constant-expressions.ts";
import { authorTimeZoneSchema } from "./time-zones.ts";
import type { PackProblem, SourcePosition } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";
import { prioritySchema } from "../../core/http/views.ts";

/** The declaration in the source, with only the written options. */
export interface JobDeclaration extends Omit<ManifestJob, "entry" | "parameters" | "output"> {
  readonly file: string;
  readonly exportName: string;
  readonly position: SourcePosition;
  /** It checks its parameters or output with something other than a function written here: perhaps with a schema. */
  readonly hasChecks: boolean;
}

/** Reads a call of `defineJob`. Undefined if it is invalid; `problems` has the reason. */
export function readDeclaration(
  module: SourceModule,
  call: ts.CallExpression,
  exportName: string,
  scan: DeclarationScan,
): JobDeclaration | undefined {
  const options = readOptions(module, call, { functionName: "defineJob", what: "job" }, scan);
  if (options === undefined) return undefined;
  const jobType = options.constant("jobType", oneLine(DISPLAY_NAME_MAX_LENGTH));
  const limits = options.constant("limits", limitsSchema);
  const others = { ...readExecution(options), ...(limits !== undefined && { limits }) };
  const hasChecks = ["parameters", "output"].some((name) => options.has(name) && !isFunction(options.nodeOf(name)));
  options.refuseUnknown(["parameters", "output", "run"]);
  if (jobType === undefined) {
    if (!options.has("jobType")) {
      scan.problems.push({ message: "This job has no jobType.", position: positionOf(module, options.node) });
    }
    return undefined;
  }
  return { jobType, ...others, file: module.file, exportName, position: positionOf(module, call), hasChecks };
}

/** `parameters: (value) => …` and `parameters(value) { … }`. */
function isFunction(option: ts.Node): boolean {
  const value = ts.isPropertyAssignment(option) ? unwrap(option.initializer) : option;
  return ts.isArrowFunction(value) || ts.isFunctionExpression(value) || ts.isMethodDeclaration(value);
}

/** The options for attempts and retries. */
const readExecution = (options: Options): Partial<Omit<ManifestJob, "jobType" | "entry" | "parameters" | "output">> =>
  withoutGaps({
    retry: options.constant("retry", retrySchema),
    timeoutMs: options.constant("timeoutMs", timeoutSchema),
    idleTimeoutMs: options.constant("idleTimeoutMs", idleTimeoutSchema),
    memoryMb: options.constant("memoryMb", memorySchema),
    isolation: options.constant("isolation", isolationSchema),
  });

export interface TimerDeclaration {
  readonly timer: ManifestTimer;
  /** Its runs are jobs of a type with the same name. */
  readonly job: JobDeclaration;
  readonly position: SourcePosition;
}

/** Reads a call of `scalableTimerJob`. Undefined if it is invalid; `problems` has the reason. */
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
    refuse("A timer needs a function: scalableTimerJob({ … }, async (ctx) => { … }).", call);

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
    job: { jobType: timerName, ...execution, file: module.file, exportName, position, hasChecks: false },
    position,
  };
}

const readTimerOptions = (options: Options): Partial<Omit<ManifestTimer, "timerName" | "cron">> =>
  withoutGaps({
    timeZone: options.constant("timeZone", authorTimeZoneSchema),
    misfire: options.constant("misfire", misfireSchema),
    overlap: options.constant("overlap", overlapSchema),
    graceSeconds: options.constant("graceSeconds", graceSecondsSchema),
    runOnDeploy: options.constant("runOnDeploy", runOnDeploySchema),
    pool: options.constant("pool", poolSchema),
    priority: options.constant("priority", prioritySchema),
  });

/** A timer is named by its export; a default export, by its file. */
function nameOfExport(
  { file }: SourceModule,
  exportName: string,
  refuse: (message: string) => void,
): string | undefined {
  const name = exportName === "default" ? posix.basename(file, posix.extname(file)) : exportName;
  if (timerNameSchema.safeParse(name).success) return name;
  const source = exportName === "default" ? "file" : "export";
  refuse(
    `The name of this ${source}, ${JSON.stringify(name)}, is not a valid timer name (${TIMER_NAME_RULE}). Set name: "…".`,
  );
  return undefined;
}

export interface DeclarationScan {
  readonly evaluate: Evaluate;
  readonly problems: PackProblem[];
  readonly warnings: PackProblem[];
}

export interface Options {
  readonly node: ts.ObjectLiteralExpression;
  has(name: string): boolean;
  /** Undefined if it is absent or invalid; an invalid one adds a problem. */
  constant<T>(name: string, schema: z.ZodType<T>): T | undefined;
  /** Position of an option; of the whole declaration if it is absent. */
  nodeOf(name: string): ts.Node;
  /** Adds a problem for each option that was not read and is not in `others`. Call it after all reads. */
  refuseUnknown(others: readonly string[]): void;
}

/** Undefined if the call has no readable options; adds a problem. `what`: a job, a timer. */
function readOptions(
  module: SourceModule,
  call: ts.CallExpression,
  { functionName, what }: { readonly functionName: string; readonly what: string },
  { evaluate, problems }: DeclarationScan,
): Options | undefined {
  const node = literalOf(module, call);
  if (node === undefined) {
    const message = `${functionName} expects an object literal here, so that jobyard pack can read it without running it.`;
    problems.push({ message, position: positionOf(module, call.arguments[0] ?? call) });
    return undefined;
  }
  const spread = node.properties.find(ts.isSpreadAssignment);
  if (spread !== undefined) {
    const message = "Write these options out: jobyard pack reads them from the source without running it.";
    problems.push({ message, position: positionOf(module, spread) });
    return undefined;
  }
  const known = new Set<string>();
  const propertyNamed = (name: string): ts.ObjectLiteralElementLike | undefined => {
    known.add(name);
    return node.properties.find((candidate) => propertyOf(candidate)[0] === name);
  };

  return {
    node,
    has: (name) => propertyNamed(name) !== undefined,
    nodeOf: (name) => propertyNamed(name) ?? node,
    refuseUnknown(others) {
      for (const name of others) known.add(name);
      for (const property of node.properties) {
        const [name] = propertyOf(property);
        if (name !== undefined && known.has(name)) continue;
        const message =
          name === undefined
            ? "Write the name of this option out: jobyard pack reads it from the source without running it."
            : `${functionName} has no option ${JSON.stringify(name)}${didYouMean(name, known)}.`;
        problems.push({ message, position: positionOf(module, property) });
      }
    },
    constant(name, schema) {
      const property = propertyNamed(name);
      if (property === undefined) return undefined;
      const [, expression] = propertyOf(property);
      const value = expression === undefined ? new NotConstant(module, property) : evaluate(expression, module);
      if (value instanceof NotConstant) {
        const message = `The ${name} of a ${what} must be a constant: jobyard pack reads it from the source without running it. This expression is not constant.`;
        problems.push({ message, position: positionOf(value.module, value.node) });
        return undefined;
      }
      const result = schema.safeParse(value);
      if (result.success) return result.data;
      for (const { target, message } of fieldProblems(result.error)) {
        const field = target === "" ? name : `${name}.${target}`;
        problems.push({ message: `${field}: ${message}.`, position: positionOf(module, property) });
      }
      return undefined;
    },
  };
}

/** The object literal that is the first argument, also through a constant. */
export function literalOf(module: SourceModule, call: ts.CallExpression): ts.ObjectLiteralExpression | undefined {
  const [argument] = call.arguments;
  if (argument === undefined) return undefined;
  const inner = unwrap(argument);
  const value = ts.isIdentifier(inner) ? module.constants.get(inner.text) : inner;
  const options = value === undefined ? undefined : unwrap(value);
  return options !== undefined && ts.isObjectLiteralExpression(options) ? options : undefined;
}

/** Only the options that are written. */
const withoutGaps = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
