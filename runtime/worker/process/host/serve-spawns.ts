/**
 * Starts processes for a worker, from a small process. Starting one means to copy the table of all memory of the process
 * that starts it: tens of milliseconds in a worker of some hundred megabytes, one in here. The worker gets the ends of the
 * pipes and keeps them; from then on nothing that a job says comes by here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { readEntry } from "../os/proc-table.ts";

/** Tells the host's program that it is to start processes. */
export const SPAWNER_ARGUMENT = "spawn";

/** Worker to spawner. */
export interface SpawnRequest {
  readonly id: number;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** From descriptor 1 on. */
  readonly pipes: number;
  readonly niceness?: number | undefined;
  readonly oomScore: string;
}

/** Spawner to worker: `failed`, or `started`, each `pipe` with its handle, and `exited`. */
export type SpawnReport = { readonly id: number } & (
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "started"; readonly pid: number; readonly startedAt: number | undefined }
  | { readonly type: "pipe"; readonly descriptor: number }
  | { readonly type: "exited"; readonly code: number | null; readonly signal: NodeJS.Signals | null }
);

export function serveSpawns(): void {
  // The worker is gone. What it has started goes with this process (Linux), or when its pipes close.
  process.on("disconnect", () => process.exit());
  // Signals to the worker's group are the worker's matter.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
  process.on("message", (request: SpawnRequest) => start(request));
}

function start({ id, program, args, cwd, environment, pipes, niceness, oomScore }: SpawnRequest): void {
  const report = (what: SpawnReport, handle?: ChildProcess["stdout"]): void => {
    // Fails when the worker is gone, which `disconnect` tells.
    process.send?.(what, handle as never, undefined, () => undefined);
  };
  let child: ChildProcess;
  try {
    const stdio = ["ignore" as const, ...Array<"pipe">(pipes).fill("pipe")];
    child = spawn(program, args, { cwd, env: environment, detached: true, stdio });
  } catch (error) {
    report({ id, type: "failed", message: error instanceof Error ? error.message : String(error) });
    return;
  }
  const { pid } = child;
  child.on("error", ({ message }) => {
    if (pid === undefined) report({ id, type: "failed", message });
  });
  if (pid === undefined) return;
  const ends = child.stdio.slice(1) as ChildProcess["stdout"][];
  // Node reads from a pipe as soon as it has it. What the process prints is for the worker only.
  for (const end of ends) (end as { _handle?: { readStop?: () => void } } | null)?._handle?.readStop?.();
  yieldToWorker(pid, oomScore, niceness);
  report({ id, type: "started", pid, startedAt: readEntry(pid)?.startedAt });
  for (const [index, end] of ends.entries()) report({ id, type: "pipe", descriptor: index + 1 }, end);
  child.once("exit", (code, signal) => report({ id, type: "exited", code, signal }));
}

/** Before its first instruction of the job, as a rule; what it starts inherits it. */
function yieldToWorker(pid: number, oomScore: string, niceness: number | undefined): void {
  if (process.platform !== "linux") return;
  try {
    if (niceness !== undefined) setPriority(pid, niceness);
    writeFileSync(`/proc/${pid}/oom_score_adj`, oomScore);
  } catch {
    // Already gone, or not ours to change: only a preference.
  }
}
