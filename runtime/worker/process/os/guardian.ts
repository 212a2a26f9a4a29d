/**
 * A tiny process beside the worker that outlives it by a moment: when the worker is gone, however it went, it ends
 * everything that carries the worker's mark. A job's own process dies with its worker anyway (Linux); what it has
 * started does not, and would go on working while the job already runs elsewhere.
 */
import { spawn } from "node:child_process";
import { MARK_VARIABLE } from "./process-tree.ts";

export interface Guardian {
  /** As if the worker were gone; resolves when the guardian is. */
  close(): Promise<void>;
}

/**
 * `read` returns when the worker's end of the pipe is closed, which no death can avoid. Then it looks for marks until a
 * look finds none, for ten seconds or so. The status of `grep` says nothing: there is always a process it may not read.
 */
const SCRIPT = `
read -r _
rounds=0
while [ $rounds -lt 200 ]; do
  files=$(grep -lsF "$1" /proc/[0-9]*/environ)
  [ -n "$files" ] || break
  for file in $files; do pid=\${file#/proc/}; kill -9 "\${pid%/environ}" 2>/dev/null; done
  rounds=$((rounds + 1))
  sleep 0.05
done`;

/** Needs /proc; elsewhere there is no guardian, and the next worker's sweep does not find marks either. */
export function startGuardian(markPrefix: string, searchPath: string): Guardian {
  if (process.platform !== "linux") return { close: () => Promise.resolve() };
  const child = spawn("/bin/sh", ["-c", SCRIPT, "jobyard-guardian", `${MARK_VARIABLE}=${markPrefix}`], {
    cwd: "/",
    env: { PATH: searchPath },
    // A session of its own: what ends the worker's group does not end it.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    // Without a shell there is no guardian; the sweep of the next worker remains.
    child.once("error", () => resolve());
  });
  child.stdin.on("error", () => undefined);
  child.unref();
  return {
    async close() {
      child.ref();
      child.stdin.destroy();
      await gone;
    },
  };
}
