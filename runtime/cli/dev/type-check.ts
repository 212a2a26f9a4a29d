/** Checks the types of a folder while it is edited, in a process of its own (type-checker.ts). */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { Problem } from "./dev-event.ts";

export type TypeReport = { readonly errors: readonly Problem[] } | { readonly problem: string };

export interface TypeCheck {
  close(): void;
}

export interface TypeCheckDeps {
  readonly directory: string;
  /** All errors there are now. */
  readonly onErrors: (errors: readonly Problem[]) => void;
  /** Types are not checked any more. */
  readonly onProblem: (message: string) => void;
}

/** Beside this file's code in the built package. */
const SHIPPED_CHECKER = join(import.meta.dirname, "type-checker.mjs");
const CHECKER = existsSync(SHIPPED_CHECKER) ? SHIPPED_CHECKER : join(import.meta.dirname, "type-checker.ts");
/** Saved code is packed and run first. */
const NICENESS = 10;

/** Undefined for a folder without a tsconfig.json. */
export function checkTypes({ directory, onErrors, onProblem }: TypeCheckDeps): TypeCheck | undefined {
  if (!existsSync(join(directory, "tsconfig.json"))) return undefined;
  const child = fork(CHECKER, [directory], { stdio: ["ignore", "ignore", "ignore", "ipc"], detached: true });
  let closed = false;
  let isSaid = false;
  const fail = (message: string): void => {
    if (!closed && !isSaid) onProblem(message);
    isSaid = true;
  };
  child.on("message", (report: TypeReport) => {
    if (closed) return;
    if ("errors" in report) onErrors(report.errors);
    else fail(report.problem);
  });
  child.on("error", ({ message }) => fail(message));
  child.on("exit", (code, signal) => fail(`the type checker ended (${signal ?? `exit code ${code ?? ""}`})`));
  if (child.pid !== undefined) lowerPriority(child.pid);
  return {
    close() {
      closed = true;
      child.kill();
    },
  };
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // It has ended, or the system forbids it: types are checked all the same.
  }
}
