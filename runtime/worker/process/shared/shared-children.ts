/** The shared children of a worker: finds one with room for a job, or starts another. */
import { REUSE_MEMORY_DEFAULT_MB } from "../../../core/limits.ts";
import type { ModuleEntry } from "../../../core/package/manifest.ts";
import type { Run, RunListener } from "../run.ts";
import { type SharedChild, type SharedChildDeps, startSharedChild } from "./shared-child.ts";
import type { SharedProcessSpec } from "../spec.ts";

export interface SharedChildren {
  /** Throws LaunchError, or the signal's reason if it fires before the job was handed over. */
  start(
    spec: SharedProcessSpec,
    entry: ModuleEntry,
    context: { readonly listener: RunListener; readonly signal: AbortSignal },
  ): Promise<Run>;
  /** Ends the one that has been without a job longest, if there is one: its user is needed. */
  endIdle(): void;
  /** Ends all; resolves when nothing of them is left. */
  close(): Promise<void>;
}

export function createSharedChildren(deps: SharedChildDeps): SharedChildren {
  /** By what jobs must have in common to share a process. */
  const groups = new Map<string, Set<SharedChild>>();

  function open(key: string, spec: SharedProcessSpec): SharedChild {
    const { tenantName, jobProcessorPackageName: packageName } = spec.job;
    const { shared } = spec;
    const child = startSharedChild({ shared, tenantName, packageName, memoryMb: memoryOf(spec) }, deps);
    const group = groups.get(key) ?? new Set();
    groups.set(key, group.add(child));
    void child.gone.then(() => {
      group.delete(child);
      if (group.size === 0 && groups.get(key) === group) groups.delete(key);
    });
    return child;
  }

  return {
    async start(spec, entry, { listener, signal }) {
      const key = keyOf(spec);
      // Always in the same order, so that those that are not needed any more become idle and end.
      const child = [...(groups.get(key) ?? [])].find(({ hasRoom }) => hasRoom) ?? open(key, spec);
      return child.start({ spec, entry, listener, signal });
    },
    endIdle() {
      const idle = [...groups.values()]
        .flatMap((group) => [...group])
        .filter(({ idleSince }) => idleSince !== undefined)
        .sort((one, other) => (one.idleSince ?? 0) - (other.idleSince ?? 0));
      void idle[0]?.end();
    },
    async close() {
      await Promise.all([...groups.values()].flatMap((group) => [...group].map((child) => child.end())));
    },
  };
}

/** Tenants never share a process, even if their packages are the same to the last byte. */
const keyOf = (spec: SharedProcessSpec): string =>
  [spec.job.tenantName, spec.job.jobProcessorPackageName, spec.shared.hash, memoryOf(spec)].join("\n");

const memoryOf = ({ memoryMb = REUSE_MEMORY_DEFAULT_MB }: SharedProcessSpec): number => memoryMb;
