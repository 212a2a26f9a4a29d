/** Counts what this process asks of the file system below a folder, by function of `node:fs`. */
import { createRequire, syncBuiltinESMExports } from "node:module";

export interface FileCalls extends Disposable {
  /** Since the start or the last `reset`, by name of the function. */
  readonly counts: ReadonlyMap<string, number>;
  readonly total: number;
  reset(): void;
}

type Functions = Record<string, unknown>;

/** Also counts appends to an open file, whose folder is not known, and calls within open directories, by way of `/proc`. */
export function countFileCalls(folder: string): FileCalls {
  const fs = createRequire(import.meta.url)("node:fs") as Functions & { readonly promises: Functions };
  const counts = new Map<string, number>();
  const restore: (() => void)[] = [];
  /** Synchronous functions call each other. */
  let depth = 0;

  const isCounted = (name: string, target: unknown): boolean => {
    if (typeof target === "number") return name === "appendFileSync";
    const path = Buffer.isBuffer(target) ? target.toString() : target;
    return typeof path === "string" && (path.startsWith(folder) || path.startsWith("/proc/self/fd/"));
  };

  function patch(functions: Functions, kind: string): void {
    for (const [name, original] of Object.entries(functions)) {
      // Classes and constants stay.
      if (typeof original !== "function" || !/^[a-z]/.test(name)) continue;
      functions[name] = function (this: unknown, ...args: unknown[]): unknown {
        if (depth === 0 && isCounted(name, args[0])) counts.set(kind + name, (counts.get(kind + name) ?? 0) + 1);
        depth++;
        try {
          return Reflect.apply(original, this, args) as unknown;
        } finally {
          depth--;
        }
      };
      restore.push(() => (functions[name] = original));
    }
  }

  patch(fs, "");
  patch(fs.promises, "promises.");
  syncBuiltinESMExports();
  return {
    counts,
    get total() {
      return [...counts.values()].reduce((sum, count) => sum + count, 0);
    },
    reset: () => counts.clear(),
    [Symbol.dispose]() {
      for (const undo of restore) undo();
      syncBuiltinESMExports();
    },
  };
}
